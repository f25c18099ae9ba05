"""Run the compute service's command line: `python -m compute --help`."""

from chassis.run.unused import without_unused_packages

with without_unused_packages():
    from chassis.run.cli import main
    from compute.app import COMPUTE

if __name__ == "__main__":
    main(COMPUTE)
