"""What every process with a bug has imported before it is made."""

# ruff: noqa: F401

import flowcraft.sqlite
import flowcraft.testing
import packages.core.tests.conformance.harnesses
import tests.planted.bugs
