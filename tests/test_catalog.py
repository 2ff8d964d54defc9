from __future__ import annotations

from pathlib import Path

import pytest

from gradgauge import catalog as subject
from gradgauge.catalog import Broken, Catalog, UnreadablePath, builtin_folder, is_builtin, load, scan
from tests.fakes import FUNCTION_PY, REFERENCE_PY, ROOT, write_function


def test_the_built_in_catalog_is_what_the_folders_hold(catalog: Catalog) -> None:
    found = {name: sorted(entry.implementations) for name, entry in catalog.functions.items()}
    assert found == {
        "multiply": ["custom_function", "lean_function", "reference"],
        "relu": ["masked_function", "native", "reference", "where"],
        "ternary_activation": ["masked_function", "published", "reference", "where"],
    }
    assert all(is_builtin(entry.file) for entry in catalog.functions.values())


def test_an_installed_package_carries_its_own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "PACKAGE", tmp_path / "gradgauge")
    assert builtin_folder("suites") == tmp_path / "suites"
    (tmp_path / "gradgauge" / "suites").mkdir(parents=True)
    assert builtin_folder("suites") == tmp_path / "gradgauge" / "suites"


def test_a_technique_carries_the_first_line_of_its_docstring(tmp_path: Path) -> None:
    root = write_function(
        tmp_path, silent="from gradgauge.model import Implementation\nIMPLEMENTATION = Implementation(abs)"
    )
    entry = load([root]).functions["twice"]
    assert entry.implementations["reference"].summary == "Twice, by PyTorch."
    assert entry.implementations["silent"].summary == ""
    assert entry.reference is entry.implementations["reference"]


def test_scanning_runs_no_file(tmp_path: Path) -> None:
    found, broken = scan([write_function(tmp_path, bad="raise RuntimeError")])
    assert set(found["twice"].techniques) == {"reference", "bad"}
    assert broken == ()


def test_a_later_folder_adds_a_technique_to_an_earlier_function(tmp_path: Path) -> None:
    (tmp_path / "more" / "twice").mkdir(parents=True)
    (tmp_path / "more" / "twice" / "sum.py").write_text(REFERENCE_PY, encoding="utf-8")
    found = load([write_function(tmp_path / "first"), tmp_path / "more"])
    assert set(found.functions["twice"].implementations) == {"reference", "sum"}
    assert not found.broken


@pytest.mark.parametrize("name", ["reference", "function"])
def test_of_two_files_of_one_name_the_first_stands_and_the_second_is_broken(tmp_path: Path, name: str) -> None:
    first = write_function(tmp_path / "a")
    second = tmp_path / "b" / "twice" / f"{name}.py"
    second.parent.mkdir(parents=True)
    second.write_text("VALUE = 1", encoding="utf-8")
    found = load([first, tmp_path / "b"])
    assert found.functions["twice"].reference.file == first / "twice" / "reference.py"
    (broken,) = found.broken
    assert broken.file == str(second)
    assert broken.message == f"a second twice/{name}.py; the first is {first / 'twice' / name}.py"


@pytest.mark.parametrize(("text", "says"), [("no_such", "no such folder"), ("empty", "holds no function folder")])
def test_a_path_with_nothing_to_read_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "empty" / "folder").mkdir(parents=True)
    (tmp_path / "empty" / "folder" / "_private.py").write_text("", encoding="utf-8")
    (tmp_path / "empty" / ".hidden").mkdir()
    (tmp_path / "empty" / ".hidden" / "x.py").write_text("", encoding="utf-8")
    with pytest.raises(UnreadablePath, match=f"--implementations {tmp_path / text}: {says}"):
        scan([tmp_path / text])


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    file.write_text("", encoding="utf-8")
    with pytest.raises(UnreadablePath, match=r"file\.py: no such folder"):
        scan([file])


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("Permission denied")

    monkeypatch.setattr(Path, "glob", refuse)
    with pytest.raises(UnreadablePath, match="Permission denied"):
        scan([tmp_path])


@pytest.mark.parametrize(("function", "technique"), [("my-relu", "where"), ("relu", "my-where"), ("2relu", "where")])
def test_a_name_that_is_no_identifier_is_broken(tmp_path: Path, function: str, technique: str) -> None:
    (tmp_path / function).mkdir()
    (tmp_path / function / f"{technique}.py").write_text(REFERENCE_PY, encoding="utf-8")
    _, (broken,) = scan([tmp_path])
    assert broken.message == f"{technique!r} in {function!r}: names must be Python identifiers"


def test_a_broken_technique_is_told_with_file_and_line_and_the_rest_loads(tmp_path: Path) -> None:
    root = write_function(tmp_path, bad="x = 1\nx.y", good=REFERENCE_PY)
    found = load([root])
    assert set(found.functions["twice"].implementations) == {"reference", "good"}
    (broken,) = found.broken
    assert (broken.file, broken.line) == (str(root / "twice" / "bad.py"), 2)
    assert str(broken) == f"{broken.file}:2: AttributeError: 'int' object has no attribute 'y'"


def test_a_file_that_defines_nothing_is_told_what_to_define(tmp_path: Path) -> None:
    found = load([write_function(tmp_path, empty="", wrong="IMPLEMENTATION = 3")])
    assert [broken.message for broken in found.broken] == ["defines no IMPLEMENTATION = Implementation(…)"] * 2


def test_a_value_that_refuses_itself_is_broken_at_its_line(tmp_path: Path) -> None:
    text = "from gradgauge.model import Implementation\nIMPLEMENTATION = Implementation(call=3)\n"
    (broken,) = load([write_function(tmp_path, bad=text)]).broken
    assert (broken.line, broken.message) == (2, "TypeError: call = 3 is not callable")


def test_without_a_definition_a_technique_belongs_nowhere(tmp_path: Path) -> None:
    (tmp_path / "lost").mkdir()
    (tmp_path / "lost" / "where.py").write_text(REFERENCE_PY, encoding="utf-8")
    found = load([tmp_path])
    assert found.functions == {}
    assert [broken.message for broken in found.broken] == ["no function.py defines lost"]


@pytest.mark.parametrize("reference", ["", "1 / 0"])
def test_without_a_reference_there_is_no_function(tmp_path: Path, reference: str) -> None:
    found = load([write_function(tmp_path, reference=reference)])
    assert found.functions == {}
    assert "twice has no reference.py that loads" in [broken.message for broken in found.broken]


def test_a_definition_that_does_not_load_takes_its_function_along(tmp_path: Path) -> None:
    found = load([write_function(tmp_path, function="1 / 0")])
    assert found.functions == {}
    assert [broken.message for broken in found.broken] == ["ZeroDivisionError: division by zero"]


def test_a_convention_for_a_kink_that_is_not_there_is_broken(tmp_path: Path) -> None:
    function = FUNCTION_PY.replace("summary", "kinks=(kink_at(1.0, 0.0, 1.0),), summary").replace(
        "import Function", "import Function, kink_at"
    )
    text = REFERENCE_PY.replace("2 * x)", "2 * x, convention={'x = 9': 1.0})")
    found = load([write_function(tmp_path, function=function, bad=text)])
    (broken,) = found.broken
    assert broken.message == "convention names 'x = 9'; the function's kinks at a point are x = 1"


def test_only_chosen_functions_are_run_and_each_file_is_told_before(tmp_path: Path) -> None:
    root = write_function(write_function(tmp_path, "twice"), "thrice")
    told: list[str] = []
    found = load([root], functions=["thrice"], on_load=lambda file: told.append(f"{file.parent.name}/{file.stem}"))
    assert list(found.functions) == ["thrice"]
    assert told == ["thrice/function", "thrice/reference"]


def test_a_file_that_killed_a_process_is_not_run_again(tmp_path: Path) -> None:
    root = write_function(tmp_path, deadly="raise SystemError('must not run')")
    file = str(root / "twice" / "deadly.py")
    found = load([root], skip={file: "loading it killed the process (SIGABRT)"})
    assert found.broken == (Broken(file, None, "loading it killed the process (SIGABRT)"),)


def test_the_built_in_folder_of_a_checkout_lies_beside_the_package() -> None:
    assert builtin_folder("implementations") == ROOT / "implementations"
    assert not is_builtin(Path("/elsewhere/relu/where.py"))
