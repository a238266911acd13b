"""A bundle's logging.conf, which Python evaluates: accepted only if it holds nothing to evaluate but a stream."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

from monai_landmarks.sharing.layout import BundleError
from monai_landmarks.sharing.safe_files import read_ascii

# `class` and `args` go through eval; these are all that a console needs.
EVALUATED = {"class": ("StreamHandler",), "args": ("(sys.stdout,)", "(sys.stderr,)")}
NAMES = re.compile(r"[A-Za-z0-9_.,]*")
KEYS = {
    "list": ("keys",),
    "logger": ("level", "handlers", "qualname", "propagate"),
    "handler": ("class", "level", "formatter", "args"),
    "formatter": ("format", "datefmt"),
}


def check_logging(path: Path, name: str) -> None:
    """Judge a logging.conf.

    Raises:
        BundleError: naming the section and the key that is more than a name, a level or a format.
    """
    parser = configparser.RawConfigParser(default_section="DEFAULT")
    try:
        parser.read_string(read_ascii(path, name))
    except configparser.Error as error:
        raise BundleError(f"{name}: {' '.join(str(error).split())}") from None
    if parser.defaults():
        raise BundleError(f"{name}, section DEFAULT: is refused, it would reach into every other section")
    for section in parser.sections():
        kind = "list" if section in ("loggers", "handlers", "formatters") else section.split("_")[0]
        for key, value in parser.items(section):
            if key not in KEYS.get(kind, ()):
                raise BundleError(f"{name}, section {section}: the key {key} is refused")
            if key in EVALUATED and value not in EVALUATED[key]:
                choices = " or ".join(EVALUATED[key])
                raise BundleError(f"{name}, section {section}: {key} is evaluated by Python, so it must be {choices}")
            if key not in (*EVALUATED, "format", "datefmt") and not NAMES.fullmatch(value):
                raise BundleError(f"{name}, section {section}: {key} must be a plain name, is {value!r}")
