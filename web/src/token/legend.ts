// Write below a saved picture what it shows.

import { moment } from "../shared/words";
import type { Palette } from "./colours";
import type { Scene } from "./draw";
import { shownName } from "./model";
import { say } from "./texts";

const MARGIN = 32;

export function legend(context: CanvasRenderingContext2D, { model, switches }: Scene, palette: Palette, width: number, height: number, space: number): void {
  const { token, tokenAddress, chain, asOf } = model.map;
  const name = shownName(token.symbol ?? token.name ?? say("unnamed"));
  const top = height - space;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = palette.background;
  context.fillRect(0, top, width, space);
  context.fillStyle = palette.text;
  context.textAlign = "left";
  context.textBaseline = "top";
  context.font = "bold 26px system-ui, sans-serif";
  context.fillText(`${name} · ${chain}`, MARGIN, top + 8, width - 2 * MARGIN);
  context.font = "18px system-ui, sans-serif";
  context.fillText(`${tokenAddress} · ${say("blockAt", { block: asOf.block, time: moment(asOf.timestamp) })}`, MARGIN, top + 46, width - 2 * MARGIN);
  const parts = [say(switches.areas ? "areasTrue" : "areasFlattened"), say(switches.infrastructure ? "legendInfrastructure" : "legendCirculating"), "Vouch"];
  context.fillText(parts.join(" · "), MARGIN, top + 76, width - 2 * MARGIN);
}
