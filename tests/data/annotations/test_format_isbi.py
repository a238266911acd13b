import pytest

from monai_landmarks.data.annotations import landmark_list

# As a file of the challenge: 19 landmarks, then the classes of eight measurements.
POINTS = "\n".join(f"{10 + k},{20 + k}" for k in range(19))
FILE = f"{POINTS}\n" + "\n".join("12132143") + "\n"
THREE = landmark_list("a,b,c")


def test_a_file_of_the_challenge(load):
    imported = load(FILE, "0001.txt", reader="junior")
    (case,) = imported.dataset.cases
    assert imported.format == "isbi"
    assert imported.dataset.names[0] == "sella"
    assert imported.dataset.names[-1] == "articulare"
    assert case.image == "0001.png"
    assert case.annotations[0].points["nasion"] == (11, 21)
    assert imported.notes == ("8 line(s) behind the points are classes, no points, and are left out",)


def test_other_landmarks_are_named(load):
    points = load("1,2\n3.5,4\n5,6\n", "0001.txt", scheme=THREE, origin="corner").dataset.cases[0].annotations[0].points
    assert points == {"a": (0.5, 1.5), "b": (3.0, 3.5), "c": (4.5, 5.5)}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("1,2\n3,4\n", "has 2 lines x,y for 3 landmarks"),
        ("1,2\n3,x\n5,6\n", "line 2: b: 'x' is no number"),
        ("1,2\n3,4,5\n5,6\n", "line 2: b: '3,4,5' must be two numbers x,y"),
        ("1,2\n3\n3,4\n5,6\n", "line 2: must be x,y; classes come last"),
    ],
)
def test_malformed_files(faults_of, content, fault):
    assert faults_of(content, "0001.txt", scheme=THREE) == [fault]


def test_names_are_asked_for(faults_of):
    assert "name them in order with --landmarks" in faults_of("1,2\n", "0001.txt")[0]
    assert "no image '0009'" in faults_of(FILE, "0009.txt")[0]
