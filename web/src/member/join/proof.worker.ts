// Search a proof of work: a number whose digest with the challenge begins with enough zero bits.

interface Challenge {
  readonly challenge: string;
  readonly bits: number;
}

addEventListener("message", ({ data }: MessageEvent<Challenge>) => void search(data));

async function search({ challenge, bits }: Challenge): Promise<void> {
  const encoder = new TextEncoder();
  for (let number = 0; ; number += 1) {
    const proof = `${challenge}.${number}`;
    const digest = await crypto.subtle.digest("SHA-256", encoder.encode(proof));
    if (Math.clz32(new DataView(digest).getUint32(0)) >= bits) return postMessage(proof);
  }
}
