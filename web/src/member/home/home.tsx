// Home: the code, the seats, points and rank over time, and where each point comes from.

import { say } from "../../shared/texts";
import { account } from "../live";
import { Title } from "../title";
import { CodeCard } from "./code";
import { Ledger } from "./ledger";
import { Progress } from "./progress";
import { Seats } from "./seats";

export function HomePage() {
  const mine = account.value;
  return (
    <div class="stack">
      <Title text={say("home")} hidden />
      {mine && (
        <div class="grid two">
          <CodeCard code={mine.referralCode ?? null} />
          <Seats used={mine.referralsUsed} pending={mine.referralsPending} total={mine.totalReferrals} />
        </div>
      )}
      <Progress />
      <Ledger />
    </div>
  );
}
