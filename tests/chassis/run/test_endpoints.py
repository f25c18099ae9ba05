import pytest
from aiobotocore.session import get_session
from botocore.loaders import create_loader

from chassis.run.endpoints import keep_endpoints, read_endpoints

SERVICES = {"dynamodb", "sqs", "s3", "email", "sts"}


def test_only_the_named_services_are_kept_of_each_partition() -> None:
    text = """{"version": 3, "partitions": [{"partition": "aws", "regions": {"a": {}},
      "services": {"x": {"endpoints": {}}, "sqs": {"endpoints": {"a": {"n": [1, 2]}}}}},
      {"services": {}}, {}]}"""

    assert read_endpoints(text, SERVICES) == {
        "version": 3,
        "partitions": [
            {
                "partition": "aws",
                "regions": {"a": {}},
                "services": {"sqs": {"endpoints": {"a": {"n": [1, 2]}}}},
            },
            {"services": {}},
            {},
        ],
    }


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_endpoints_are_those_of_botocore_in_every_region(service: str) -> None:
    complete = get_session()._get_internal_component("endpoint_resolver")
    session = get_session()
    keep_endpoints(session, SERVICES)
    kept = session._get_internal_component("endpoint_resolver")

    assert kept.uses_builtin_data
    for partition in create_loader().load_data("endpoints")["partitions"]:
        for region in partition["regions"]:
            assert kept.construct_endpoint(service, region) == complete.construct_endpoint(
                service, region
            )
            assert kept.get_partition_for_region(region) == partition["partition"]
