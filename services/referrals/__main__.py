"""Run the referrals service's command line: `python -m referrals --help`."""

from chassis.run.unused import without_unused_packages

with without_unused_packages():
    from chassis.run.cli import main
    from referrals.app import REFERRALS

if __name__ == "__main__":
    main(REFERRALS)
