// Links: what of an answer is shown at a threshold, and the places of characters. No function here changes the page.

// The server counts code points; strings of JavaScript count UTF-16 units, and a letter such as an emoji has two of them.
export function unitPlaces(text) {
  const places = [0];
  for (const letter of text) places.push(places[places.length - 1] + letter.length);
  return places; // places[code point] is its UTF-16 unit
}

// The direction of a text, by its first letter. The browser cannot find it, since it passes over mentions, which have their own.
const RIGHT_TO_LEFT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

export function directionOf(text) {
  return RIGHT_TO_LEFT.test(text.match(/\p{Letter}/u)?.[0] ?? "") ? "rtl" : "ltr";
}

export function codePoints(text, units) {
  return [...text.slice(0, units)].length;
}

// The page asks once for all links above a very low threshold. The server removes overlaps from the best span to the worst, so a
// higher threshold only takes links away: the links below it can be left out here.
//
// answer.own has the links at the model's own thresholds, where these cannot be computed from the others: a threshold for
// mentions, which a request with a probability does not use, takes spans away before overlaps are removed.
export function shownLinks(answer, rule, about) {
  if (rule.probability !== undefined) return answer.links.filter((link) => link.probability >= rule.probability);
  if (rule.threshold === undefined && answer.own) return answer.own;
  const least = rule.threshold ?? about.threshold ?? -Infinity;
  return answer.links.filter((link) => above(link.score, least) && above(link.mention_score, least));
}

const above = (score, least) => least === -Infinity || (score !== null && score >= least);

// The very low threshold of the page's request, and whether the model's own thresholds need a request of their own.
export function lowestFields(about) {
  return about.min_probability === null ? { threshold: about.lowest } : { min_probability: 0 };
}

export const needsOwn = (about) => about.min_probability !== null && about.mention_threshold !== null;

// What a request must say so that the server answers what is shown.
export function ruleFields(rule) {
  if (rule.probability !== undefined) return { min_probability: rule.probability };
  return rule.threshold === undefined ? {} : { threshold: rule.threshold };
}

export function percent(share) {
  if (share === null || share === undefined || Number.isNaN(share)) return "–";
  if (share < 0.01) return "<1%";
  if (share > 0.99 && share < 1) return ">99%";
  return `${Math.round(100 * share)}%`;
}

export const logarithm = (score) => (score === null ? "−∞" : score.toFixed(2).replace("-", "−"));

export const exponential = (score) => (score === null ? 0 : Math.exp(score));

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

export function curlOf(address, body, withToken) {
  const token = withToken ? ' -H "Authorization: Bearer $ELQ_TOKEN"' : "";
  return `curl ${quoted(address)}${token} -H 'Content-Type: application/json' --data-binary ${quoted(JSON.stringify(body))}`;
}
