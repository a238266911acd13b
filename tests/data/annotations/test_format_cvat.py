import pytest

# As CVAT exports a task ("CVAT for images 1.1"), shortened.
CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>5</id>
      <labels>
        <label><name>b</name><color>#fa32b7</color><type>points</type><attributes></attributes></label>
        <label><name>knee</name><type>skeleton</type><attributes></attributes></label>
        <label><name>a</name><type>points</type><attributes></attributes><parent>knee</parent></label>
        <label><name>c</name><type>points</type><attributes></attributes><parent>knee</parent></label>
      </labels>
    </task>
  </meta>
  <image id="0" name="0001.png" width="30" height="40">
    <points label="b" source="manual" occluded="1" points="11.50,21.25" z_order="0">
      <attribute name="sure">yes</attribute>
    </points>
    <skeleton label="knee" source="manual" z_order="0">
      <points label="a" source="manual" outside="0" occluded="0" points="1.50,2.00"></points>
      <points label="c" source="manual" outside="1" occluded="0" points="5.50,7.00"></points>
    </skeleton>
    <box label="marker" source="manual" occluded="0" xtl="1" ytl="1" xbr="2" ybr="2" z_order="0"></box>
  </image>
  <image id="1" name="0002.png" width="30" height="40">
  </image>
</annotations>
"""


def test_points_and_skeletons(load):
    imported = load(CVAT, "annotations.xml")
    first, second = imported.dataset.cases
    assert imported.dataset.names == ("b", "a", "c")
    assert first.annotations[0].points == {"b": (11.0, 20.75), "a": (1.0, 1.5)}
    assert first.annotations[0].absent == ["c"]
    assert second.annotations == []
    assert set(imported.notes) == {
        "1 point(s) are occluded and are taken as present",
        "1 skeleton point(s) are outside and are taken as absent",
        "1 element(s) <box> are no points and are left out",
    }


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("11.50,21.25", "11.50", "line 16: points of 'b': '11.50' must be x,y"),
        ("11.50,21.25", "11.50,nan", "line 16: points of 'b': 'nan' is no number"),
        ("11.50,21.25", "1,2;3,4", "line 16: the shape 'b' has 2 points; a landmark has one"),
        ('<points label="b" ', "<points ", "line 16: <points> has no attribute 'label'"),
        ('label="c" source', 'label="a" source', "line 21: image '0001.png': landmark 'a' is labelled twice"),
        ('width="30" height="40">\n    <points', 'width="x" height="40">\n    <points', "line 15: width: 'x' is no"),
        ('name="0002.png" width="30"', 'name="0002.png" width="31"', "image '0002.png' has 40 x 30 pixels"),
        ("0001.png", "9.png", "no image '9.png'"),
        ('name="0002.png" width="30"', 'name="0002.png" width="²"', "line 25: width: '²' is no whole number"),
        ('"utf-8"', '"klingon"', "line 1: no XML: unknown encoding"),
        ("</meta>", "", "no XML: mismatched tag"),
        ('<image id="0"', '<track id="0"/><image id="0"', "line 15: a video's tracks"),
        ("annotations>\n", "something>\n", "line 2: the outermost element is <something>"),
    ],
)
def test_malformed_files(faults_of, old, new, fault):
    assert old in CVAT
    (found,) = faults_of(CVAT.replace(old, new), "annotations.xml", format="cvat")
    assert fault in found


@pytest.mark.parametrize(
    "document_type",
    [
        '<!DOCTYPE a [<!ENTITY x "boom"><!ENTITY y "&x;&x;&x;">]>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a SYSTEM "http://localhost/a.dtd">',
    ],
)
def test_entities_are_refused_before_they_are_expanded(faults_of, document_type):
    text = CVAT.replace("<annotations>\n", f"{document_type}\n<annotations>\n").replace("<id>5</id>", "<id>&x;</id>")
    assert faults_of(text, "annotations.xml") == [
        "line 2: has a document type (<!DOCTYPE>), which is refused; remove it"
    ]
