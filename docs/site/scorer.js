/* Sphinx's weights for search results. To them a page adds what it is for: how something is done comes before what it is, and
   that before why it became so. The first prefix that fits counts. */
const WEIGHTS = [
  ["docs/how-to/", 4], ["docs/concepts/", 3], ["docs/configuration", 3], ["docs/settings", 3], ["docs/operations", 2],
  ["docs/decisions/", -12], ["CHANGELOG", -12], ["CONTRIBUTING", -6], ["docs/benchmarks", -6], ["docs/specifications", -4],
];
var Scorer = {
  score: ([docname, , , , score]) => score + (WEIGHTS.find(([prefix]) => docname.startsWith(prefix))?.[1] ?? 0),
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};
