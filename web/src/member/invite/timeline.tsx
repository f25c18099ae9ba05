// Show how far an invitation has come, in five marks.

import type { InvitationDetails } from "../../shared/description";
import { moment } from "../../shared/words";
import { t } from "../texts";

const STEPS = ["requested", "sent", "delivered", "accepted", "joined"] as const;
const ENDS = ["bounced", "failed", "declined", "revoked", "expired", "no_seat"] as const;

/** Marks that are reached, with their times; an end that stops them takes the place of the next one. */
export function Timeline({ invitation }: { readonly invitation: InvitationDetails }) {
  const times = new Map(invitation.timeline.map(({ what, at }) => [what, at]));
  const ended = ENDS.find((each) => each === (invitation.seat === "refused" ? "no_seat" : invitation.state));
  if (invitation.seat === "reserved") times.set("joined", times.get("accepted") ?? invitation.requestedAt);
  const reached = STEPS.filter((step) => times.has(step));
  const furthest = reached.length > 0 ? STEPS.indexOf(reached.at(-1)!) : -1;
  return (
    <ol class="timeline">
      {STEPS.map((step, index) => {
        const end = index === furthest + 1 ? ended : undefined;
        if (ended && index > furthest + 1) return null;
        const what = end ?? step;
        const at = times.get(what);
        return (
          <li key={step} class={end ? "ended" : index <= furthest ? "reached" : "ahead"}>
            <span class="small">{t(`step_${what}`)}</span>
            {at !== undefined && <span class="small quiet time">{moment(at)}</span>}
            {index > furthest && !end && <span class="visually-hidden">{t("notYet")}</span>}
          </li>
        );
      })}
    </ol>
  );
}
