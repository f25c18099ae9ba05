// Say in the reader's language why points changed; the API says the same in English.

import type { ExplainedEntry } from "../../shared/description";
import { date } from "../../shared/words";
import { t } from "../texts";

/** Say what happened, who it was about, and what it means for the points. */
export function explained(entry: ExplainedEntry): string {
  const { reason, state, at, settledAt } = entry;
  const values = { person: personOf(entry), code: entry.explanation.code ?? "", n: Math.abs(entry.delta) };
  if (reason !== "referral") return t(`explain_${reason}`, { ...values, date: date(at) });
  const day = state === "confirmed" ? (settledAt ?? at) : at;
  return t(`explain_referral_${state}`, { ...values, date: date(day) });
}

/** Say the rule that sets the points. */
export function ruleOf({ reason, delta, rulesVersion }: ExplainedEntry): string {
  return t(`rule_${reason}`, { n: Math.abs(delta), version: String(rulesVersion) });
}

function personOf({ reason, explanation: { person, inviteId } }: ExplainedEntry): string {
  if (reason === "was_referred" || reason === "credit_withdrawn") return person ?? t("anotherMember");
  const name = person ?? t("someone");
  return inviteId && reason === "referral" ? t("onInvitation", { person: name }) : name;
}
