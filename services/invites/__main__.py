"""python -m invites run | projections | rebuild | status | verify | events | …"""

from chassis.cli import main
from invites.app import application
from invites.settings import Settings

if __name__ == "__main__":
    main(Settings, application)
