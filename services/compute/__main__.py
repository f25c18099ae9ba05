"""python -m compute run | projections | rebuild | status | verify | events | …"""

from chassis.run.cli import main
from compute.app import application
from compute.settings import Settings

if __name__ == "__main__":
    main(Settings, application)
