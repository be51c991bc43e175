/* Sphinx's weights for search results, with one change: the decisions come after the pages that say how something is done. */
var Scorer = {
  score: ([docname, , , , score]) => score - (docname.startsWith("docs/decisions/") ? 12 : 0),
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};
