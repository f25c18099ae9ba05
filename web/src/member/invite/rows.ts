// Read the people to invite from pasted text or from a file.

export interface Row {
  readonly email: string;
  readonly note: string;
  readonly locale: string;
}

export const MOST_ROWS = 200;
const COLUMNS = ["email", "note", "locale"] as const;

/**
 * Return the rows of a text: a table whose first line names the columns email, note and locale, or
 * lines without a header. There an address begins a row, also within a line, as mail programs list
 * recipients; the cells after it are its note and its locale.
 */
export function rowsOf(text: string): readonly Row[] {
  const plain = text.replace(/^\uFEFF/, "");
  const separator = separatorOf(plain);
  const names = splitLines(plain, () => separator)[0]?.map((cell) => cell.trim().toLowerCase()) ?? [];
  if (!names.includes("email")) return filled(splitLines(plain, separatorOf)).flatMap(rowsOfLine);
  return filled(splitLines(plain, () => separator))
    .slice(1)
    .map((cells) => {
      const value = (column: (typeof COLUMNS)[number]) => cells[names.indexOf(column)]?.trim() ?? "";
      return { email: addressIn(value("email")), note: value("note"), locale: value("locale") };
    });
}

function filled(lines: readonly string[][]): readonly string[][] {
  return lines.filter((cells) => cells.some((cell) => cell.trim()));
}

function rowsOfLine(cells: readonly string[]): readonly Row[] {
  const found: string[][] = [];
  for (const [place, cell] of cells.entries()) {
    const pieces = isAddress(cell) ? [cell] : cell.split(/[,;\t]/).filter((piece) => piece.trim());
    if (pieces.length > 0 && pieces.every(isAddress)) found.push(...pieces.map((piece) => [addressIn(piece)]));
    else if (place === 0) found.push([cell.trim()]);
    else found.at(-1)!.push(cell.trim());
  }
  return found.map(([email = "", note = "", locale = ""]) => ({ email, note, locale }));
}

/** Return the address in `Ann <ann@example.com>`, and any other text as it is. */
function addressIn(text: string): string {
  return /^[^<>@]*<([^<>]+)>$/.exec(text.trim())?.[1]?.trim() ?? text.trim();
}

function isAddress(text: string): boolean {
  return looksComplete({ email: addressIn(text) });
}

/** Return whether a row can be an address; the API decides. */
export function looksComplete({ email }: Pick<Row, "email">): boolean {
  return /^[^\s@]+@[^\s@]+\.[^\s@.]+$/.test(email);
}

/** Return the places (from 0) of rows whose address an earlier row has; the API decides which addresses are one. */
export function repeatedIn(rows: readonly Row[]): ReadonlySet<number> {
  const seen = new Set<string>();
  const repeated = new Set<number>();
  for (const [place, { email }] of rows.entries()) {
    const address = email.toLowerCase();
    if (seen.has(address)) repeated.add(place);
    seen.add(address);
  }
  return repeated;
}

/** Decode a file: UTF-8 or UTF-16, or what Windows writes where it is neither. */
export async function textOf(file: Blob): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

/** Return the separator of a text's first line: a tab, or whichever of ; and , comes first. */
function separatorOf(text: string): string {
  const line = (text.split("\n", 1)[0] ?? "").replace(/"(?:[^"]|"")*"/g, "");
  return line.includes("\t") ? "\t" : (/[;,]/.exec(line)?.[0] ?? ",");
}

/** Split a text into the cells of its lines; a quoted cell may contain separators and line breaks. */
function splitLines(text: string, separatorAt: (rest: string) => string): string[][] {
  const lines: string[][] = [[]];
  let cell = "";
  let quoted = false;
  let separator = separatorAt(text);
  for (let at = 0; at < text.length; at += 1) {
    const each = text[at]!;
    if (quoted) {
      if (each !== '"') cell += each;
      else if (text[at + 1] === '"') cell += text[(at += 1)];
      else quoted = false;
    } else if (each === '"' && cell.trim() === "") [quoted, cell] = [true, ""];
    else if (each === separator) [cell] = ["", lines.at(-1)!.push(cell)];
    else if (each === "\n") {
      lines.at(-1)!.push(cell);
      lines.push([]);
      [cell, separator] = ["", separatorAt(text.slice(at + 1))];
    } else if (each !== "\r") cell += each;
  }
  lines.at(-1)!.push(cell);
  return lines;
}
