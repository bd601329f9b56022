"""Puts conf/ into the wheel as bench/conf. Everything else about the package is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfiguration(build_py):
    def run(self):
        super().run()
        if not self.editable_mode:
            installed = Path(self.build_lib, "bench", "conf")
            # Choices that an earlier build left there are no longer choices.
            shutil.rmtree(installed, ignore_errors=True)
            shutil.copytree("conf", installed)


setup(cmdclass={"build_py": BuildWithConfiguration})
