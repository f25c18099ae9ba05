"""python -m referrals run | rebuild [NAME …] | events STREAM."""

from chassis.cli import main
from referrals.app import application
from referrals.settings import Settings

if __name__ == "__main__":
    main(Settings, application)
