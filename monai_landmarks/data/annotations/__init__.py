from monai_landmarks.data.annotations.exporting import Exported, export_annotations
from monai_landmarks.data.annotations.gathering import import_several, with_all_images
from monai_landmarks.data.annotations.importing import Imported, ImportOptions, import_annotations
from monai_landmarks.data.annotations.landmark_lists import landmark_list
from monai_landmarks.data.annotations.marks import Format
from monai_landmarks.data.annotations.merging import merge_datasets
from monai_landmarks.data.annotations.registry import FORMATS, get_format

__all__ = [
    "FORMATS",
    "Exported",
    "Format",
    "ImportOptions",
    "Imported",
    "export_annotations",
    "get_format",
    "import_annotations",
    "import_several",
    "landmark_list",
    "merge_datasets",
    "with_all_images",
]
