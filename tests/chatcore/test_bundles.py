"""Modules and stylesheets put together. That pages run on them is seen by the browser tests."""

import re

import pytest

from chatcore.bundles import BundleError, module, stylesheet


def bundle(**files: str) -> str:
    return module("js/entry.js", lambda path: files[path.removeprefix("js/").removesuffix(".js")])


def test_each_module_is_there_once_and_runs_before_those_that_import_it():
    text = bundle(
        entry='import { twice } from "./twice.js";\nimport { one } from "./one.js";\nrun(one);\n',
        twice='import { one as first } from "./one.js";\nexport const twice = first * 2;\n',
        one="const secret = 1;\nexport const one = secret;\n",
    )

    assert text == (
        "const $one = (() => {\nconst secret = 1;\nconst one = secret;\nreturn { one };\n})();\n"
        "const $twice = (() => {\nconst { one: first } = $one;\nconst twice = first * 2;\n"
        "return { twice };\n})();\n"
        "const { twice } = $twice;\nconst { one } = $one;\nrun(one);\n"
    )


def test_what_is_vendored_stays_an_import_and_the_entry_keeps_its_exports():
    text = bundle(
        entry='import { draw } from "./draw.js";\nexport function run() { draw(); }\n',
        draw='import { L } from "../vendor/lib/lib.js";\nexport async function draw() { L(); }\n',
    )

    assert text.startswith('import { L } from "../vendor/lib/lib.js";\nconst $draw')
    assert "return { draw };" in text
    assert text.endswith("export function run() { draw(); }\n")


def test_what_is_imported_when_it_is_needed_stays_so():
    line = 'const { draw } = await import("./maths.js");\n'

    assert bundle(entry=line) == line


@pytest.mark.parametrize(
    "line", ["export default 1;", 'import Lib from "./lib.js";', "export let x = 1;"]
)
def test_a_form_that_it_does_not_know_is_refused(line):
    with pytest.raises(BundleError, match=rf"^js/entry\.js: {re.escape(repr(line))} is none of"):
        bundle(entry=f"{line}\n")


def test_modules_that_import_each_other_are_refused():
    with pytest.raises(BundleError, match=r"^js/entry\.js imports js/other\.js imports"):
        bundle(
            entry='import { other } from "./other.js";\n',
            other='import { entry } from "./entry.js";\n',
        )


def test_a_stylesheet_comes_with_those_it_imports():
    files = {"css/a.css": '@import "./b.css";\np { }\n', "css/b.css": "q { }\n"}

    assert stylesheet("css/a.css", files.__getitem__) == "q { }\np { }\n"
