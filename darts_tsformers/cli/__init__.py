"""The command line: one file a command, each a call of a public function."""

from darts_tsformers.cli.running import main as main
