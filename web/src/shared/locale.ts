// Choose how dates and numbers are written.

/** Return the first preferred locale with a region of the language, such as en-GB, or the language. */
export function localeOf(language: string, preferred: readonly string[]): string {
  return preferred.find((each) => each.startsWith(`${language}-`)) ?? language;
}
