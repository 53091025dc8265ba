#!/usr/bin/env python3
"""Python reads what `trav plugin generate` made, and it has the manifest's names."""
import importlib.util
import json
import pathlib
import typing
import unittest

FOLDER = pathlib.Path(__file__).resolve().parent / "hostile"


class Generated(unittest.TestCase):
    def test_the_members_have_the_names_of_the_manifest(self):
        spec = importlib.util.spec_from_file_location("operations", FOLDER / "program" / "operations.py")
        types = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(types)
        names = json.loads((FOLDER / "manifest.json").read_text())["operations"][0]["input"]
        self.assertEqual(sorted(typing.get_type_hints(types.NamesInput)), sorted(names["properties"]))
        self.assertEqual(sorted(types.NamesInput.__required_keys__), sorted(names["required"]))
        self.assertEqual(typing.get_type_hints(types.Node, vars(types))["children"], typing.List[types.Node])
        self.assertEqual(typing.get_args(types.ShapesInputLevel), (3, -1, 7))
        self.assertEqual(types.JsonItselfOutput, typing.Optional[str])


if __name__ == "__main__":
    unittest.main()
