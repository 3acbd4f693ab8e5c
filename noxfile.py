"""What can be run in this workspace: one session for each command of `./dev`.

`./dev` calls these in its own environment (`--no-venv`). Plain `nox -s lint` works as well and
then installs everything into an environment of the session.
"""

import logging
from pathlib import Path

import nox

# A session ends with the line of figures that its tool prints; nox says something only when
# something is wrong.
logging.getLogger("nox").setLevel(logging.ERROR)

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True

PACKAGES = [
    path.parent
    for folder in ("packages", "examples")
    for path in sorted(Path(folder).glob("*/pyproject.toml"))
]


def install(session: nox.Session) -> None:
    """Give the session every package and the dev group, unless `./dev` already did."""
    if session.venv_backend == "none":
        return
    editable = [argument for path in PACKAGES for argument in ("-e", str(path))]
    dev = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "dev")
    session.install("-q", *editable, *dev)


@nox.session
def demo(session: nox.Session) -> None:
    """Run the example that indexes the standard library."""
    install(session)
    session.run("python", "examples/stdlib_index/demo.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; what follows `--` goes to pytest."""
    install(session)
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the engine's own tests; fails unless they reach every line and branch of it."""
    install(session)
    session.run("python", "-m", "tests.coverage.run")


@nox.session
def mutate(session: nox.Session) -> None:
    """Change code wrongly and run tests: the engine; -- --protocol --count N --seed S."""
    install(session)
    tools = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "mutation")
    session.run("python", "-m", "pip", "install", "-q", *tools)
    session.run("python", "-m", "tests.mutation.run", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, and that only the core's clock asks for time or chance."""
    install(session)
    session.run("python", "-m", "ruff", "check", "--quiet", *session.posargs)
    session.run("python", "-m", "ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    install(session)
    session.run("python", "-m", "mypy", *session.posargs)


@nox.session
def simulate(session: nox.Session) -> None:
    """Run random graphs under a seeded scheduler: -- --graphs N --seed S."""
    install(session)
    session.run("python", "-m", "tests.simulation.run", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Kill real workers while runs go through: -- --adapter NAME --runs N --seed S."""
    install(session)
    session.run("python", "-m", "tests.chaos.run", *session.posargs)


@nox.session
def proof(session: nox.Session) -> None:
    """Write the tables of sentences, tests and planted bugs in docs/."""
    install(session)
    session.run("python", "-m", "tests.proof.pages")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed beside floors and peers: -- --adapter NAME --json FILE."""
    install(session)
    if session.venv_backend != "none":  # peers are for those who ask for them
        peers = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "bench")
        session.install("-q", *peers)
    session.run("python", "-m", "benchmarks", *session.posargs)
