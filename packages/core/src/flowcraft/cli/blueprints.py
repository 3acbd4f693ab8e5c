"""What the commands do with blueprints: find one, and say what is wrong with all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from flowcraft.app import Flowcraft
from flowcraft.blueprint import Blueprint, load_blueprint, read
from flowcraft.cli.locate import locate
from flowcraft.errors import BlueprintError, FlowcraftError, RegistrationError, SettingsError
from flowcraft.expressions import Expressions


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong, and where."""

    place: str
    text: str
    blueprint_id: str = ""


class Linted(msgspec.Struct, frozen=True):
    """What was looked at, and what is wrong with it."""

    blueprints: int
    problems: list[Problem]
    notes: list[str] = []

    def lines(self) -> Iterator[str]:
        """Tell it to a person."""
        for problem in self.problems:
            where = f" blueprint {problem.blueprint_id!r}:" if problem.blueprint_id else ""
            yield f"{problem.place}:{where} {problem.text}"
        yield from self.notes
        count = len(self.problems)
        found = f"{count} problem{'s' if count != 1 else ''}" if count else "no problem"
        yield f"{self.blueprints} blueprint{'s' if self.blueprints != 1 else ''}, {found}"


def find_blueprint(target: str, blueprint_id: str | None) -> Blueprint:
    """Take a blueprint from an application, or from a JSON file.

    Raises:
        SettingsError: It is not said which one, or the file cannot be read.
        UnknownBlueprintError: The application has none of that id.
        BlueprintError: The file holds none.
    """
    if _is_file(target):
        return load_blueprint(_read_file(target))
    app = locate(target)
    if blueprint_id is None:
        known = ", ".join(app.blueprints)
        if len(app.blueprints) != 1:
            raise SettingsError(f"{target} has {known or 'no blueprints'}. Name one of them")
        (blueprint_id,) = app.blueprints
    return app.blueprint(blueprint_id)


def lint(targets: Sequence[str], *, opens_lifespan: bool) -> Linted:
    """Check an application with its blueprints, and blueprints in files.

    Raises:
        SettingsError: There are several applications, or one that is not there.
    """
    files = [target for target in targets if _is_file(target)]
    places = [target for target in targets if not _is_file(target)]
    if len(places) > 1:
        raise SettingsError(f"{', '.join(places)}: lint one application at a time")
    linter = _Linter()
    if places and not linter.application(places[0], opens_lifespan=opens_lifespan):
        return Linted(linter.blueprints, linter.problems, linter.notes)
    linter.files(files)
    return Linted(linter.blueprints, linter.problems, linter.notes)


class _Linter:
    def __init__(self) -> None:
        self.blueprints = 0
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self._app: Flowcraft | None = None

    def application(self, target: str, *, opens_lifespan: bool) -> bool:
        """Check an application. Whether it could be made."""
        try:
            self._app = app = locate(target)
        except SettingsError as error:
            if not isinstance(error.__cause__, FlowcraftError):
                raise
            # It is there, and what it adds is wrong.
            self.blueprints += isinstance(error.__cause__, BlueprintError)
            self._add(target, error.__cause__)
            return False
        for blueprint_id in app.blueprints:
            self.blueprints += 1
            for text in app.problems(app.blueprint(blueprint_id)):
                self.problems.append(Problem(target, text, blueprint_id))
        if app.has_lifespan and not opens_lifespan:
            self.notes.append(f"{target}: dependencies were not checked; --lifespan does")
            return True
        try:
            asyncio.run(app.check_dependencies())
        except RegistrationError as error:
            self.problems += [Problem(target, line) for line in str(error).splitlines()]
        except Exception as error:  # noqa: BLE001 - a lifespan may raise anything
            text = f"the lifespan cannot be opened: {type(error).__name__}: {error}"
            self.problems.append(Problem(target, text))
        return True

    def files(self, names: Sequence[str]) -> None:
        """Check blueprints that may name each other."""
        contents = {name: _read_file(name) for name in names}
        beside = {read(content).blueprint_id for content in contents.values()}
        for name, content in contents.items():
            self.blueprints += 1
            if self._app is not None:
                texts = self._app.problems(content, beside=beside)
                self.problems += [Problem(name, text) for text in texts]
                continue
            try:
                load_blueprint(content, expressions=Expressions())
            except BlueprintError as error:
                self._add(name, error)

    def _add(self, place: str, error: FlowcraftError) -> None:
        if isinstance(error, BlueprintError):
            found = [Problem(place, text, error.blueprint_id) for text in error.problems]
            self.problems += found
        else:
            self.problems.append(Problem(place, str(error)))


def _is_file(target: str) -> bool:
    return target.endswith(".json")


def _read_file(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise SettingsError(f"{name} cannot be read: {error.strerror}") from error
