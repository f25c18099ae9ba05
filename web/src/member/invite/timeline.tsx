// Show how far an invitation has come.

import type { InvitationDetails } from "../../shared/description";
import { moment } from "../../shared/words";
import { account } from "../live";
import { t } from "../texts";
import { marksOf } from "./steps";

export function Timeline({ invitation }: { readonly invitation: InvitationDetails }) {
  return (
    <ol class="timeline">
      {marksOf(invitation, account.value).map(({ what, kind, at }) => (
        <li key={what} class={kind}>
          <span class="small">{t(`step_${what}`)}</span>
          {at !== undefined && <span class="small quiet time">{moment(at)}</span>}
          {kind === "ahead" && <span class="visually-hidden">{t("notYet")}</span>}
        </li>
      ))}
    </ol>
  );
}
