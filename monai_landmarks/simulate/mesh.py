"""Closed triangle surfaces, and the curved finite elements they are tessellated from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse


@dataclass(frozen=True)
class Surface:
    """A closed triangle surface with outward normals.

    Attributes:
        vertices: (N, 3) float64, mm, axes x (patient's left), y (posterior), z (superior).
        faces: (M, 3) integer vertex numbers.
    """

    vertices: np.ndarray
    faces: np.ndarray

    @cached_property
    def normals(self) -> np.ndarray:
        """Outward unit normals of the vertices (N, 3), weighted by the area of the faces around them."""
        corners = self.vertices[self.faces]
        area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        count = len(self.vertices)
        total = np.stack(
            [np.bincount(self.faces.ravel(), np.repeat(area[:, axis], 3), minlength=count) for axis in range(3)],
            axis=1,
        )
        return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)

    @property
    def volume(self) -> float:
        """Enclosed volume in mm3; negative where the faces point inward."""
        corners = self.vertices[self.faces]
        return float(np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6)

    def inset(self, depth: np.ndarray | float) -> Surface:
        """The surface moved inward by `depth` mm, a number or one per vertex."""
        step = np.broadcast_to(np.asarray(depth, dtype=float), (len(self.vertices),))
        return Surface(self.vertices - self.normals * step[:, None], self.faces)

    def moved(self, rotation: np.ndarray, centre: np.ndarray, target: np.ndarray) -> Surface:
        """Rotated about `centre`, which then comes to lie at `target`."""
        return Surface(move(self.vertices, rotation, centre, target), self.faces)

    def mirrored(self) -> Surface:
        """Mirror image in x = 0; the faces are turned round so that normals stay outward."""
        return Surface(self.vertices * np.array([-1.0, 1.0, 1.0]), self.faces[:, ::-1])


def move(points: np.ndarray, rotation: np.ndarray, centre: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Points (..., 3) rotated about `centre`, which then comes to lie at `target`.

    einsum, not matmul: no BLAS, whose result may depend on its number of threads in the last bit.
    """
    moved: np.ndarray = np.einsum("ij,...j->...i", rotation, points - centre) + target
    return moved


def rotation(axis: int, degrees: float) -> np.ndarray:
    """Right-handed rotation (3, 3) about a coordinate axis (0 x, 1 y, 2 z)."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    matrix = np.eye(3)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[first, first] = matrix[second, second] = cosine
    matrix[first, second], matrix[second, first] = -sine, sine
    return matrix


def fit_sphere(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre (3,) and radius of the sphere nearest to points (N, 3) (algebraic least squares)."""
    normal = np.concatenate([2 * points, np.ones((len(points), 1))], axis=1)
    solution = np.linalg.lstsq(normal, (points**2).sum(axis=1), rcond=None)[0]
    return solution[:3], float(np.sqrt(solution[3] + solution[:3] @ solution[:3]))


QUADS = {"quad44": (4, 4), "quad54": (5, 4), "quad55": (5, 5)}
TRIANGLES = {"tri10": 3, "tri15": 4}


def _exponents(kind: str) -> np.ndarray:
    """Exponents (n, 2) of the Lagrange basis; divided by the degree they are the nodes' positions."""
    if kind in QUADS:
        columns, rows = QUADS[kind]
        return np.array([(i, j) for j in range(rows) for i in range(columns)])
    degree = TRIANGLES[kind]
    return np.array([(i, j) for j in range(degree + 1) for i in range(degree + 1 - j)])


def lagrange_basis(kind: str, positions: np.ndarray) -> np.ndarray:
    """Values (P, n) of an element's n shape functions at positions (P, 2) in its unit square or triangle."""
    exponents = _exponents(kind)
    degree = np.array(QUADS[kind]) - 1 if kind in QUADS else TRIANGLES[kind]
    monomials = [
        (p[:, None, 0] ** exponents[:, 0]) * (p[:, None, 1] ** exponents[:, 1]) for p in (positions, exponents / degree)
    ]
    basis: np.ndarray = np.linalg.solve(monomials[1].T, monomials[0].T).T
    return basis


def _grid(kind: str, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Tessellation of one element: positions (P, 2) and faces (Q, 3)."""
    quad = kind in QUADS
    points = [(i, j) for j in range(steps + 1) for i in range(steps + 1 - (0 if quad else j))]
    number = {point: k for k, point in enumerate(points)}
    faces = []
    for i, j in points:
        corner, right, up, far = (number.get(p) for p in ((i, j), (i + 1, j), (i, j + 1), (i + 1, j + 1)))
        if right is not None and up is not None:
            faces.append((corner, right, up))
        if right is not None and up is not None and far is not None:
            faces.append((right, far, up))
    return np.array(points) / steps, np.array(faces)


@dataclass(frozen=True)
class Template:
    """How a bone's surface follows from its nodes: vertices = weights @ nodes.

    Attributes:
        weights: sparse (N vertices, nodes).
        faces: (M, 3).
        elements: (N,) an element each vertex belongs to.
    """

    weights: sparse.csr_matrix
    faces: np.ndarray
    elements: np.ndarray

    def surface(self, nodes: np.ndarray) -> Surface:
        """The surface spanned by nodes (nodes, 3)."""
        return Surface(self.weights @ nodes, self.faces)


def tessellate(
    kinds: dict[int, str], connectivity: dict[int, list[int]], reference: np.ndarray, steps: int
) -> Template:
    """Tessellate a mesh of curved elements into one watertight surface.

    Args:
        kinds: element number -> element type (quad44, quad54, quad55, tri10, tri15).
        connectivity: element number -> its node numbers, in the order of the element's basis.
        reference: (nodes, 3) node positions; vertices that coincide there are welded, and faces are turned
            outward.
        steps: subdivisions of an element's side.
    """
    blocks, faces, elements, offset = [], [], [], 0
    for element, kind in kinds.items():
        positions, triangles = _grid(kind, steps)
        nodes = connectivity[element]
        basis = lagrange_basis(kind, positions)
        rows = np.repeat(np.arange(len(positions)), len(nodes))
        columns = np.tile(nodes, len(positions))
        blocks.append(sparse.csr_matrix((basis.ravel(), (rows, columns)), shape=(len(positions), len(reference))))
        faces.append(triangles + offset)
        elements.append(np.full(len(positions), element))
        offset += len(positions)
    weights = sparse.vstack(blocks).tocsr()
    _, first, welded = np.unique(np.round(weights @ reference, 3), axis=0, return_index=True, return_inverse=True)
    joined = welded.reshape(-1)[np.concatenate(faces)]
    joined = joined[(joined != np.roll(joined, 1, axis=1)).all(axis=1)]
    template = Template(weights[first], joined, np.concatenate(elements)[first])
    if template.surface(reference).volume < 0:
        return Template(template.weights, joined[:, ::-1], template.elements)
    return template
