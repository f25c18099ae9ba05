// Home: the code, the seats, points and rank over time, and where each point comes from.

import { useState } from "preact/hooks";
import { versionOf } from "../../shared/api";
import { endOf } from "../../shared/days";
import { Problem } from "../../shared/problem";
import { useResource } from "../../shared/resource";
import { say } from "../../shared/texts";
import { account, pointsAndRank } from "../live";
import { takeOverview } from "../overview";
import { Title } from "../title";
import { CodeCard } from "./code";
import { Ledger } from "./ledger";
import { Progress } from "./progress";
import { Seats } from "./seats";

export function HomePage() {
  const overview = useResource(takeOverview, []);
  const [day, setDay] = useState("");
  const mine = account.value;
  const loaded = overview.data;
  if (!loaded) {
    return (
      <div class="stack">
        <Title text={say("home")} hidden />
        {overview.error ? <Problem error={overview.error} retry={overview.reload} /> : <p class="quiet">{say("loading")}</p>}
      </div>
    );
  }
  // a card loads by itself what the overview lacks, or what has changed since it was made
  const first = versionOf(pointsAndRank.value?.position ?? "") <= versionOf(loaded.position) ? loaded : undefined;
  return (
    <div class="stack">
      <Title text={say("home")} hidden />
      {mine && (
        <div class="grid two">
          <CodeCard code={mine.referralCode ?? null} first={first?.codes} />
          <Seats used={mine.referralsUsed} pending={mine.referralsPending} total={mine.totalReferrals} isPast={Boolean(day)} />
        </div>
      )}
      <Progress first={first?.stats} day={day} chooseDay={setDay} />
      <Ledger first={first?.ledger} before={day ? endOf(day) : null} />
    </div>
  );
}
