"""python -m referrals run | projections | rebuild | status | verify | events | …"""

from chassis.cli import main
from referrals.app import application
from referrals.settings import Settings

if __name__ == "__main__":
    main(Settings, application)
