import pytest


def region(landmark, x, y, **attributes):
    return {
        "shape_attributes": {"name": "point", "cx": x, "cy": y},
        "region_attributes": {"landmark": landmark} | attributes,
    }


def project(*regions, options=("hip_left", "hip_right"), name="0001.png"):
    """As VIA 2.0.12 saves one (Project > Save)."""
    attribute = {"type": "dropdown", "description": "", "options": dict.fromkeys(options, ""), "default_options": {}}
    return {
        "_via_settings": {"ui": {}, "core": {"buffer_size": 18, "filepath": {}, "default_filepath": ""}},
        "_via_img_metadata": {f"{name}1234": {"filename": name, "size": 1234, "regions": list(regions),
                                              "file_attributes": {}}},
        "_via_attributes": {"region": {"landmark": attribute}, "file": {}},
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": [f"{name}1234"],
    }  # fmt: skip


# As VIA 2 exports it (Annotation > Export annotations as csv).
CSV = """filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes
0001.png,1234,"{}",2,0,"{""name"":""point"",""cx"":11,""cy"":21}","{""landmark"":""hip_left""}"
0001.png,1234,"{}",2,1,"{""name"":""rect"",""x"":1,""y"":2,""width"":3,""height"":4}","{""landmark"":""marker""}"
0002.png,99,"{}",0,0,"{}","{}"
"""


def test_project(load):
    imported = load(project(region("hip_right", 11, 21), region("hip_left", 20.5, 3)), "p.json", reader="senior")
    (case,) = imported.dataset.cases
    assert imported.format == "via"
    assert imported.dataset.names == ("hip_left", "hip_right")
    assert imported.dataset.scheme.mirror == (1, 0)
    assert (case.id, case.image, case.size) == ("0001", "0001.png", (40, 30))
    # (0, 0) is the upper left corner of the first pixel.
    assert case.annotations[0].points == {"hip_right": (10.5, 20.5), "hip_left": (20.0, 2.5)}
    assert case.annotations[0].reader == "senior"


def test_annotations_alone_and_the_objects_of_version_1(load):
    metadata = project(region("hip_left", 11, 21))["_via_img_metadata"]
    assert load(metadata, "a.json").dataset.cases[0].annotations[0].points == {"hip_left": (10.5, 20.5)}
    metadata["0001.png1234"]["regions"] = {"0": region("hip_left", 11, 21)}
    assert load(metadata, "a.json").dataset.cases[0].annotations[0].points == {"hip_left": (10.5, 20.5)}


def test_csv(load):
    imported = load(CSV, "a.csv")
    first, second = imported.dataset.cases
    assert imported.format == "via-csv"
    assert first.annotations[0].points == {"hip_left": (10.5, 20.5)}
    assert second.annotations == []
    assert imported.notes == ("1 region(s) of the shape 'rect' are no points and are left out",)
    assert load(CSV, "a.csv", format="via").format == "via-csv"


def test_labels_of_every_attribute_type(load):
    ticks = region({"hip_left": True, "hip_right": False}, 11, 21)
    other = {"shape_attributes": {"name": "point", "cx": 1, "cy": 2}, "region_attributes": {"what": "knee"}}
    points = load(project(ticks, other), "p.json").dataset.cases[0].annotations[0].points
    assert set(points) == {"hip_left", "knee"}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (project(region("hip_left", "11", 2)), 'shape_attributes.cx: must be a number, is "11"'),
        (project(region("hip_left", 1, 2), region("hip_left", 3, 4)), "landmark 'hip_left' is labelled twice"),
        (project(region("", 1, 2)), "regions[0].region_attributes: the point has no label"),
        (project(region({"a": True, "b": True}, 1, 2)), "several labels (a, b)"),
        (project(region("a", 1, 2, label="b")), "several labels (a, b)"),
        (project(region("a", 1, 2), name="0003.png"), "no image '0003.png'"),
        ({"_via_img_metadata": {"x": {"regions": []}}}, "'filename' is missing"),
        (project(region("a", 10**400, 2)), "shape_attributes.cx: must be a number, is 1000"),
        (project() | {"_via_attributes": []}, "key _via_attributes: must be an object, is a list"),
        ({"_via_img_metadata": []}, "key _via_img_metadata: must be an object, is a list"),
        ('{"_via_img_metadata": {\n"x": }}', "line 2, column 6: no JSON"),
        ('{"_via_img_metadata": {"a": 1, "a": 2}}', "key 'a' is written twice"),
    ],
)
def test_malformed_projects(faults_of, content, fault):
    (found,) = faults_of(content, "p.json", format="via")
    assert fault in found


def test_all_faults_at_once(faults_of):
    broken = project(region("a", None, 2), region("", 1, 2), region("b", 1, 2), region("b", 1, 2), name="none.png")
    assert len(faults_of(broken, "p.json")) == 4


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('""cx"":11', '""cx"":""x""', "line 2: key region_shape_attributes.cx: must be a number"),
        ('{""landmark"":""hip_left""}', "{", "line 2: region_attributes: no JSON"),
        ("file_attributes,", "", "line 1: the column(s) file_attributes are missing"),
        ('0002.png,99,"{}",0,0,"{}","{}"', "0002.png,99", "line 4: must have 7 cells"),
        (
            '""cx"":11',
            '""cx"":' + 5000 * "1",
            "line 2: region_shape_attributes: nested too deeply, or with absurd numbers",
        ),
        ("0002.png,99", "0001.png,99", "image 0001.png is annotated twice"),
        ('""rect"",""x""', '""point"",""x""', "line 3: key region_shape_attributes: 'cx' is missing"),
    ],
)
def test_malformed_csv(faults_of, old, new, fault):
    assert old in CSV
    (found,) = faults_of(CSV.replace(old, new), "a.csv")
    assert fault in found
