"""List the alarms: what each means, whom it reaches, and what it measures.

`make generate` writes deploy/aws/alarms*.yaml, deploy/aws/dashboard.yaml and deploy/grafana.json
from this list. Each alarm belongs to a section of docs/runbook.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from chassis.bus.announcements import announcements_queue
from chassis.bus.commands import commands_queue
from deploy.folders import GATEWAY, event_sourced_names
from deploy.services import declared_services

Severity = Literal["page", "ticket"]
STACK: Final = "${Stack}"
"""The parameter of the same name, as it is written into names."""
LOAD_BALANCER: Final = "cluster/load-balancer"
CLUSTER: Final = "cluster/name"
CACHE: Final = "cache/replication-group-id"
ALARM_TOPIC: Final = "cluster/alarms-topic-arn"
PARAMETERS: Final = (ALARM_TOPIC, CLUSTER, LOAD_BALANCER, CACHE)
"""Names below `/vouch/<Stack>/` in the parameter store that the stack of alarms looks up."""
MINUTE: Final = 60
DAY: Final = 86_400
SERVICES: Final = event_sourced_names()
ALL: Final = (*SERVICES, GATEWAY)


def published(name: str) -> str:
    """Return the reference to a value that another stack publishes."""
    return f"{{{{resolve:ssm:/vouch/{STACK}/{name}}}}}"


def log_group(service: str) -> str:
    """Return the log group of a service."""
    return f"/vouch/{STACK}/{service}"


@dataclass(frozen=True, slots=True)
class Signal:
    """Name a metric of CloudWatch."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()
    statistic: str = "Maximum"


@dataclass(frozen=True, slots=True)
class LogEvent:
    """Name an event of the logs that is counted."""

    name: str
    level: str = ""
    """Count the event at this level only; empty: at any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alarm:
    """Describe an alarm."""

    name: str
    """Unique, in words with hyphens."""
    section: str
    """Anchor of its section in the runbook."""
    means: str
    """What it means to users, in one sentence."""
    severity: Severity
    because: str
    """Why it pages, or why it can wait until the next working day."""
    signals: Sequence[Signal] = ()
    """What CloudWatch measures; none: only Prometheus knows."""
    expression: str = ""
    """Metric math over the signals m0, m1, …; empty: there is one signal."""
    query: str = ""
    """Query of CloudWatch Metrics Insights, instead of signals."""
    above: float | None = None
    below: float | None = None
    period: int = MINUTE
    """Seconds of one data point."""
    periods: int = 5
    """Consecutive data points that must be beyond the threshold."""
    missing: Literal["notBreaching", "breaching"] = "notBreaching"
    """What the absence of data means."""
    only_if: str = ""
    """Condition of the stack; those that calculate have one of their own."""
    events: Sequence[LogEvent] = ()
    """Events of the logs that the signal counts."""
    services: Sequence[str] = ()
    """Services whose logs are searched for them."""
    of: str = ""
    """The service with an event log whose stack of alarms has it; empty: another stack."""
    prometheus: str = ""
    """The same symptom as an expression of Prometheus; empty: only CloudWatch knows."""


def _dead_letters(queue: str) -> str:
    name, fifo = queue.removesuffix(".fifo"), queue.endswith(".fifo")
    return f"{name}-dlq.fifo" if fifo else f"{name}-dlq"


def _of_queue(queue: str, name: str) -> tuple[Signal, ...]:
    return (Signal("AWS/SQS", name, (("QueueName", queue),)),)


def _queues() -> dict[str, str]:
    """Return queue -> its name in AWS, of all queues that services receive from."""
    found: dict[str, str] = {}
    for service in declared_services():
        found[f"{service.name}-commands"] = commands_queue(STACK, service.name)
        found[f"{service.name}-announcements"] = announcements_queue(STACK, service.name)
        found |= {f"{service.name}-{q}": f"{STACK}-{service.name}-{q}" for q in service.queues}
    return found


def _dead_letter_alarms() -> list[Alarm]:
    visible = "ApproximateNumberOfMessagesVisible"
    some = [
        Alarm(
            name=f"dead-letters-{name}",
            section="dead-letters",
            means=f"A message of {name} was given up: something that was accepted is not done.",
            severity="ticket",
            because="it is kept for 14 days, and single ones affect single people",
            signals=_of_queue(_dead_letters(queue), visible),
            above=0,
            period=5 * MINUTE,
            periods=1,
            of=name.partition("-")[0],
        )
        for name, queue in _queues().items()
    ]
    many = [
        Alarm(
            name=f"many-dead-letters-{service}",
            section="dead-letters",
            means=f"{service} gives up commands by the hundred.",
            severity="page",
            because="a release or a fault fails for all, and is stopped by a rollback only",
            signals=_of_queue(_dead_letters(commands_queue(STACK, service)), visible),
            above=100,
            periods=1,
            of=service,
            prometheus='sum by (queue) (increase(messages_total{result="rejected"}[15m])) > 100',
        )
        for service in SERVICES
    ]
    return [*some, *many]


def _queue_age_alarms() -> list[Alarm]:
    """Return alarms of messages that wait; announcements wait for mails and analyses in order."""
    age = "ApproximateAgeOfOldestMessage"
    return [
        Alarm(
            name=f"old-messages-{name}",
            section="messages-wait",
            means=f"Messages of {name} wait: what people asked for is not done yet.",
            severity="page" if name.endswith("-commands") else "ticket",
            because="people wait for an outcome and read 202"
            if name.endswith("-commands")
            else "mails and analyses may take this long, and nothing is lost",
            signals=_of_queue(queue, age),
            above=MINUTE if name.endswith("-commands") else 60 * MINUTE,
            periods=10,
            of=name.partition("-")[0],
        )
        for name, queue in _queues().items()
    ]


def _of_load_balancer(name: str, statistic: str) -> tuple[Signal, ...]:
    dimensions = (("LoadBalancer", published(LOAD_BALANCER)),)
    return (Signal("AWS/ApplicationELB", name, dimensions, statistic),)


def _hosts(name: str) -> str:
    """Return the query of a number of gateways, whatever their target group is called."""
    schema = 'SCHEMA("AWS/ApplicationELB", LoadBalancer, TargetGroup)'
    balancer = _where("LoadBalancer", published(LOAD_BALANCER))
    return f"SELECT MAX({name}) FROM {schema} {balancer}"  # noqa: S608  Metrics Insights


def _where(dimension: str, value: str) -> str:
    return f"WHERE {dimension} = '{value}'"


_GATEWAY: Final = (
    Alarm(
        name="server-errors",
        section="server-errors",
        means="The gateway answers many requests with 500 or 503.",
        severity="page",
        because="people cannot use the product",
        signals=_of_load_balancer("HTTPCode_Target_5XX_Count", "Sum"),
        above=20,
        period=5 * MINUTE,
        periods=2,
        prometheus='sum(rate(gateway_request_seconds_count{status=~"5.."}[5m]))'
        " / sum(rate(gateway_request_seconds_count[5m])) > 0.01",
    ),
    Alarm(
        name="balancer-errors",
        section="server-errors",
        means="The load balancer answers in place of the gateway: no process takes the requests.",
        severity="page",
        because="people cannot use the product",
        signals=_of_load_balancer("HTTPCode_ELB_5XX_Count", "Sum"),
        above=20,
        period=5 * MINUTE,
        periods=2,
    ),
    Alarm(
        name="slow-responses",
        section="slow-responses",
        means="One request in a hundred waits for more than three seconds.",
        severity="ticket",
        because="requests are answered, and clients that wait for an outcome count as slow",
        signals=_of_load_balancer("TargetResponseTime", "p99"),
        above=3,
        period=5 * MINUTE,
        periods=3,
        prometheus="histogram_quantile(0.99,"
        " sum by (le) (rate(gateway_request_seconds_bucket[5m]))) > 3",
    ),
    Alarm(
        name="no-gateway",
        section="no-gateway",
        means="No gateway is ready: the product cannot be used.",
        severity="page",
        because="people cannot use the product",
        query=_hosts("HealthyHostCount"),
        below=1,
        periods=2,
        missing="breaching",
    ),
    Alarm(
        name="unready-gateway",
        section="no-gateway",
        means="A gateway has not been ready for ten minutes; others serve.",
        severity="ticket",
        because="the others serve",
        query=_hosts("UnHealthyHostCount"),
        above=0,
        periods=10,
        prometheus="gateway_worker_up == 0",
    ),
)


def _of_tasks(name: str, service: str, statistic: str) -> Signal:
    dimensions = (("ClusterName", published(CLUSTER)), ("ServiceName", f"{STACK}-{service}"))
    return Signal("ECS/ContainerInsights", name, dimensions, statistic)


def _task_alarms() -> list[Alarm]:
    none = [
        Alarm(
            name=f"no-tasks-{service}",
            section="tasks-missing",
            means=f"No process of {service} runs.",
            severity="page",
            because="nothing that this service does is done",
            signals=(_of_tasks("RunningTaskCount", service, "Maximum"),),
            below=1,
            missing="breaching",
            of=service if service in SERVICES else "",
        )
        for service in ALL
    ]
    fewer = [
        Alarm(
            name=f"missing-tasks-{service}",
            section="tasks-missing",
            means=f"Fewer processes of {service} run than should: one ends again and again.",
            severity="ticket",
            because="the others do its work",
            signals=tuple(
                _of_tasks(name, service, "Average")
                for name in ("DesiredTaskCount", "RunningTaskCount")
            ),
            expression="m0 - m1",
            above=0,
            periods=15,
            of=service if service in SERVICES else "",
        )
        for service in ALL
    ]
    return [*none, *fewer]


def _of_tables(service: str, *names: str) -> tuple[Signal, ...]:
    return tuple(
        Signal("AWS/DynamoDB", name, (("TableName", f"{STACK}-{service}-{table}"),), "Sum")
        for table in ("events", "meta")
        for name in names
    )


def _system_errors(table: str) -> str:
    errors = 'SUM(SystemErrors) FROM SCHEMA("AWS/DynamoDB", TableName, Operation)'
    return f"SELECT {errors} {_where('TableName', table)}"


def _table_alarms() -> list[Alarm]:
    throttles = [
        Alarm(
            name=f"throttled-tables-{service}",
            section="tables",
            means=f"DynamoDB throttles the tables of {service}; its commands take longer.",
            severity="ticket",
            because="calls are repeated, and the alarm of waiting messages pages if that fails",
            signals=_of_tables(service, "ReadThrottleEvents", "WriteThrottleEvents"),
            expression="SUM([m0, m1, m2, m3])",
            above=100,
            period=5 * MINUTE,
            periods=3,
            of=service,
            prometheus='sum(outages{dependency="dynamodb"}) > 0',
        )
        for service in SERVICES
    ]
    errors = [
        Alarm(
            name=f"failing-tables-{service}",
            section="tables",
            means=f"DynamoDB answers {service} with errors of its own.",
            severity="ticket",
            because="calls are repeated, and the alarm of waiting messages pages if that fails",
            query=_system_errors(f"{STACK}-{service}-events"),
            above=10,
            period=5 * MINUTE,
            periods=3,
            of=service,
        )
        for service in SERVICES
    ]
    return [*throttles, *errors]


def _of_cache(name: str, statistic: str = "Maximum") -> tuple[Signal, ...]:
    """Return a metric of both nodes, since either may be the primary."""
    return tuple(
        Signal(
            "AWS/ElastiCache",
            name,
            (("CacheClusterId", f"{published(CACHE)}-00{number}"),),
            statistic,
        )
        for number in (1, 2)
    )


_WORST: Final = "MAX([m0, m1])"
_CACHE: Final = (
    Alarm(
        name="cache-almost-full",
        section="cache-full",
        means="Redis is about to refuse writes; then no command gets an outcome.",
        severity="page",
        because="nothing frees memory by itself under noeviction",
        signals=_of_cache("DatabaseMemoryUsagePercentage"),
        expression=_WORST,
        above=90,
        prometheus='outages{dependency="redis"} > 0',
    ),
    Alarm(
        name="cache-filling",
        section="cache-full",
        means="Redis has used 70 % of its memory.",
        severity="ticket",
        because="there is time to choose a larger node",
        signals=_of_cache("DatabaseMemoryUsagePercentage"),
        expression=_WORST,
        above=70,
        period=5 * MINUTE,
        periods=6,
    ),
    Alarm(
        name="cache-busy",
        section="cache-busy",
        means="Redis' one thread is almost busy; reads and outcomes take longer.",
        severity="ticket",
        because="it is slow, not down; errors page by themselves",
        signals=_of_cache("EngineCPUUtilization"),
        expression=_WORST,
        above=80,
        period=5 * MINUTE,
        periods=3,
    ),
    Alarm(
        name="cache-replica-behind",
        section="cache-replica",
        means="The replica is behind; a failover would lose what it lacks, until it is rebuilt.",
        severity="ticket",
        because="nothing is affected before a failover, after which read models are repaired",
        signals=_of_cache("ReplicationLag"),
        expression=_WORST,
        above=10,
        periods=10,
    ),
    Alarm(
        name="cache-evicts",
        section="eviction",
        means="Redis evicts keys: its memory is full and its policy is not noeviction.",
        severity="ticket",
        because="what is evicted is rebuilt from the log, again and again",
        signals=_of_cache("Evictions", "Sum"),
        expression=_WORST,
        above=0,
        period=5 * MINUTE,
        periods=1,
    ),
)


_SOON: Final = "SES pauses the account of senders that go on, and then no mail is sent"
_WATCH: Final = "there are days before SES reacts"


def _reputation(name: str, rate: str, above: float, means: str, *, pages: bool = False) -> Alarm:
    return Alarm(
        name=name,
        section="mail-reputation",
        means=means,
        severity="page" if pages else "ticket",
        because=_SOON if pages else _WATCH,
        signals=(Signal("AWS/SES", f"Reputation.{rate}"),),
        above=above,
        period=15 * MINUTE,
        periods=1,
    )


_MAIL: Final = (
    _reputation(
        "bounces-critical", "BounceRate", 0.05, "More than 5 % of mails bounce.", pages=True
    ),
    _reputation("bounces", "BounceRate", 0.03, "More than 3 % of mails bounce."),
    _reputation(
        "complaints-critical",
        "ComplaintRate",
        0.001,
        "More than one recipient in a thousand complains.",
        pages=True,
    ),
    _reputation(
        "complaints", "ComplaintRate", 0.0007, "Almost one recipient in a thousand complains."
    ),
    Alarm(
        name="mail-quota",
        section="mail-quota",
        means="The account has almost sent the mails of a day; further ones wait.",
        severity="ticket",
        because="mails wait until the quota allows them again",
        signals=(Signal("AWS/SES", "Send", (), "Sum"),),
        above=0,  # the parameter MailsPerDay
        period=DAY,
        periods=1,
        only_if="HasMailsPerDay",
    ),
    Alarm(
        name="mails-wait",
        section="mails-wait",
        means="The oldest invitation whose mail was not sent waits for more than an hour.",
        severity="ticket",
        because="mails wait for 14 days, and a refusal that needs an operator pages by itself",
        prometheus="max(mail_oldest_waiting_seconds) > 3600",
    ),
)

_NETWORK: Final = (
    Alarm(
        name="nat-ports",
        section="network",
        means="NAT gateways have no port left: chains cannot be read, signing keys not fetched.",
        severity="ticket",
        because="analyses take longer, and known signing keys continue to work",
        query='SELECT SUM(ErrorPortAllocation) FROM SCHEMA("AWS/NATGateway", NatGatewayId)',
        above=0,
        period=5 * MINUTE,
        periods=2,
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Logged:
    """Describe an alarm on events of the logs."""

    name: str
    section: str
    means: str
    because: str
    events: Sequence[LogEvent]
    services: Sequence[str] = SERVICES
    severity: Severity = "ticket"
    above: float = 0
    period: int = 5 * MINUTE
    prometheus: str = field(default="")

    def alarm(self) -> Alarm:
        metric = "".join(word.capitalize() for word in self.name.split("-"))
        return Alarm(
            name=self.name,
            section=self.section,
            means=self.means,
            severity=self.severity,
            because=self.because,
            signals=(Signal(f"Vouch/{STACK}", metric, (), "Sum"),),
            above=self.above,
            period=self.period,
            periods=1,
            events=self.events,
            services=self.services,
            prometheus=self.prometheus,
        )


_LOGS: Final = (
    _Logged(
        name="operator-needed",
        section="outage",
        means="A dependency refuses until an operator acts, such as on a permission or a key.",
        severity="page",
        because="it does not end by itself; commands or mails wait until then",
        events=[LogEvent("outage_started", "error")],
        services=ALL,
        prometheus='sum by (dependency) (outages{dependency!~"task .*"}) > 0',
    ),
    _Logged(
        name="background-task",
        section="background-task",
        means="Work that no request waits for fails by an error of the program.",
        severity="page",
        because="reminders, settlements, closed days or rebuilds stop until it is fixed",
        events=[LogEvent("task_failed")],
        services=ALL,
        prometheus='sum by (dependency) (outages{dependency=~"task .*"}) > 0',
    ),
    _Logged(
        name="parked-streams",
        section="parked-streams",
        means="A view of one person stays as it was: an event of its stream cannot be read.",
        because="one stream is affected, and nothing is lost",
        events=[LogEvent("stream_parked"), LogEvent("days_closed_with_unreadable_streams")],
        prometheus="sum by (read_model) (read_model_parked_streams) > 0",
    ),
    _Logged(
        name="failed-rebuild",
        section="rebuild",
        means="A read model could not be built; readers are served the former one, if any.",
        because="without a former one readers get 503, which pages by itself",
        events=[LogEvent("rebuild_failed")],
        prometheus='read_model_state{state="failed"} > 0',
    ),
    _Logged(
        name="lost-mails",
        section="mails-given-up",
        means="Mails are given up; those who invited see it and can send them again.",
        because="it needs a fix of the mail or of SES' settings, not of the running system",
        events=[LogEvent("mail_not_composed"), LogEvent("mail_given_up")],
        services=("invites",),
        above=5,
        period=60 * MINUTE,
        prometheus='increase(mails_total{result="given_up"}[1h]) > 5',
    ),
    _Logged(
        name="failed-analyses",
        section="analyses",
        means="Analyses of tokens fail by a fault of the service or a wrong endpoint.",
        because="one token at a time is affected, and its former report is served",
        events=[
            LogEvent("computation_failed"),
            LogEvent("provider_response_not_understood"),
            LogEvent("endpoint_excluded"),
        ],
        services=("compute",),
        prometheus='increase(command_seconds_count{command="FailAnalysis"}[1h]) > 0',
    ),
    _Logged(
        name="failed-requests",
        section="failed-requests",
        means="A request was answered 500: an error of the gateway itself.",
        because="single requests fail; many of them page by themselves",
        events=[LogEvent("request_failed"), LogEvent("worker_died")],
        services=(GATEWAY,),
        prometheus='increase(gateway_request_seconds_count{status="500"}[15m]) > 0',
    ),
    _Logged(
        name="signing-keys",
        section="signing-keys",
        means="The signing keys cannot be fetched; gateways that start now answer tokens with 503.",
        because="gateways that know the keys continue",
        events=[LogEvent("jwks_fetch_failed")],
        services=(GATEWAY,),
        above=10,
        period=60 * MINUTE,
        prometheus="max(gateway_jwks_age_seconds) > 7200",
    ),
    _Logged(
        name="unreadable-outcomes",
        section="newer-version",
        means="The gateway cannot read what a newer service publishes; clients wait longer.",
        because="every command is carried out all the same",
        events=[LogEvent("outcome_unreadable"), LogEvent("announcement_unreadable")],
        services=(GATEWAY,),
        prometheus="increase(gateway_unreadable_outcomes[15m]) > 0",
    ),
    _Logged(
        name="revocations",
        section="revocations",
        means="A revocation cannot be read: the token that it names may still be accepted.",
        severity="page",
        because="a stolen token may be in use",
        events=[LogEvent("revocation_malformed")],
        services=(GATEWAY,),
    ),
    _Logged(
        name="invalid-limits",
        section="limits",
        means="An override of the rate limits is wrong, and was ignored.",
        because="the former limits hold",
        events=[LogEvent("limit_overrides_invalid")],
        services=(GATEWAY,),
        prometheus="sum by (limit) (increase("
        'gateway_rate_limit_rejections_total{shadow="no"}[15m])) > 1000',
    ),
    _Logged(
        name="large-state",
        section="large-state",
        means="The state of a stream exceeds an item; its commands load the complete stream.",
        because="one stream is slow",
        events=[LogEvent("snapshot_too_large")],
    ),
    _Logged(
        name="eviction-policy",
        section="eviction",
        means="Redis may evict outcomes and rate limits, by its policy.",
        because="it is harmless until the memory is full",
        events=[LogEvent("redis_may_evict_outcomes")],
        services=ALL,
    ),
)

WITHOUT_ALARM: Final = {
    "message_unreadable": "dead-letters: the message is in the dead-letter queue",
    "message_rejected": "dead-letters: the message is in the dead-letter queue",
}
"""Event at level error -> the section whose alarm reports its symptom."""


def alarms() -> list[Alarm]:
    """Return all alarms."""
    return [
        *_dead_letter_alarms(),
        *_queue_age_alarms(),
        *_GATEWAY,
        *_task_alarms(),
        *_table_alarms(),
        *_CACHE,
        *_MAIL,
        *_NETWORK,
        *(logged.alarm() for logged in _LOGS),
    ]
