"""List prices of AWS in one region at one date, each with the page that states it.

Prices are public list prices on demand, without discounts, free tiers, taxes and support. Look at
the pages before you decide on their ground, and change the numbers here: `make bench` prints the
tables of docs/aws.md again.
"""

from dataclasses import dataclass
from typing import Final

REGION: Final = "us-east-1"
AS_OF: Final = "June 2026"
MONTH_HOURS: Final = 730
MILLION: Final = 1_000_000


@dataclass(frozen=True)
class Price:
    """Describe what one unit costs, in US dollars."""

    dollars: float
    per: str
    page: str


_DYNAMODB: Final = "https://aws.amazon.com/dynamodb/pricing/on-demand/"
_SQS: Final = "https://aws.amazon.com/sqs/pricing/"
_FARGATE: Final = "https://aws.amazon.com/fargate/pricing/"
_BALANCER: Final = "https://aws.amazon.com/elasticloadbalancing/pricing/"
_VPC: Final = "https://aws.amazon.com/vpc/pricing/"
_CLOUDWATCH: Final = "https://aws.amazon.com/cloudwatch/pricing/"

WRITE_UNITS: Final = Price(0.625, "million write request units", _DYNAMODB)
READ_UNITS: Final = Price(0.125, "million read request units", _DYNAMODB)
FIFO_REQUESTS: Final = Price(0.50, "million requests to FIFO queues", _SQS)
REQUESTS: Final = Price(0.40, "million requests to standard queues", _SQS)
MAILS: Final = Price(100.0, "million mails", "https://aws.amazon.com/ses/pricing/")
CPU: Final = Price(0.04048, "vCPU and hour, Linux on x86", _FARGATE)
MEMORY: Final = Price(0.004445, "GB of memory and hour", _FARGATE)
DISK: Final = Price(0.000111, "GB of disk above 20 and hour", _FARGATE)
BALANCER: Final = Price(0.0225, "load balancer and hour", _BALANCER)
CAPACITY: Final = Price(0.008, "capacity unit of a load balancer and hour", _BALANCER)
NAT: Final = Price(0.045, "NAT gateway and hour", _VPC)
ENDPOINT: Final = Price(0.01, "interface endpoint, zone and hour", _VPC)
ADDRESS: Final = Price(0.005, "public IPv4 address and hour", _VPC)
CACHE_NODES: Final = {
    "cache.t4g.small": Price(
        0.0256, "node with Valkey and hour", "https://aws.amazon.com/elasticache/pricing/"
    ),
}
FIREWALL: Final = Price(5.0, "web ACL and month", "https://aws.amazon.com/waf/pricing/")
FIREWALL_RULE: Final = Price(1.0, "rule and month", "https://aws.amazon.com/waf/pricing/")
SECRET: Final = Price(0.40, "secret and month", "https://aws.amazon.com/secrets-manager/pricing/")
ALARM: Final = Price(0.10, "metric of an alarm and month", _CLOUDWATCH)
LOGS: Final = Price(0.50, "GB of ingested logs", _CLOUDWATCH)
