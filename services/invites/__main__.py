"""Run the invites service's command line: `python -m invites --help`."""

from chassis.run.unused import without_unused_packages

with without_unused_packages():
    from chassis.run.cli import main
    from invites.app import INVITES

if __name__ == "__main__":
    main(INVITES)
