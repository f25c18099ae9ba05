"""Run the invites service's command line: `python -m invites --help`."""

from chassis.run.cli import main
from invites.app import INVITES

if __name__ == "__main__":
    main(INVITES)
