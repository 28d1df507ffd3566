"""Function words of languages other than English: which words of a text are no names because of the text's language.

Many of these words are names in English ("LA", "MIT", "Die", "War"). So they count only in a text that is probably in their
language: it has more function words of this language than English ones, and at least two in Latin letters. The words are folded
(elq/names/words.py). The English ones are in elq/names/surface.py.
"""

from collections.abc import Collection

from elq.names.surface import FUNCTION_WORDS

LISTS = {
    "de": "der die das den dem des ein eine einen einem einer eines und oder aber nicht kein keine ist sind war waren"
    " wird werden wurde hat haben hatte wer wen wem was wie wo wann warum wieso welche welcher welches welchem"
    " welchen ich du er sie es wir ihr mich dich ihn uns euch mein meine dein deine sein seine von vom zu zum zur"
    " im am an auf aus bei beim mit nach seit fur gegen ohne uber unter vor zwischen durch um auch noch nur schon"
    " sehr mehr viel viele dann denn weil wenn als ob dass doch mal gibt kann man muss soll will diese dieser"
    " dieses hier dort da",
    "es": "el la los las un una unos unas y o u pero no ni si que quien quienes cual cuales como donde cuando cuanto"
    " cuanta cuantos cuantas por para con sin de del al a en entre sobre desde hasta es son era fue fueron ser esta"
    " estan estaba hay ha han se me te le lo nos su sus mi mis tu tus este esto ese esa eso mas muy ya tambien"
    " porque",
    "fr": "le la les l un une des du de d et ou mais ni ne pas que qu qui quoi quel quelle quels quelles comment quand"
    " combien pourquoi est sont etait a ont il elle ils elles on je tu nous vous se me te ce cette ces cet mon ma"
    " mes son sa ses leur leurs dans en sur sous par pour avec sans chez entre au aux y plus tres aussi",
    "it": "il lo la l i gli le un uno una e o ma non che chi quale quali come dove quando quanto quanta quanti quante"
    " perche di d del dello della dei degli delle da dal dalla in nel nella su sul sulla con per tra fra al alla ai"
    " alle sono era ha hanno si mi ti ci suo sua loro piu molto anche questo questa",
    "nl": "de het een en of maar niet geen is zijn was waren wordt worden werd heeft hebben wie wat waar wanneer waarom"
    " hoe welke hoeveel ik jij je hij zij ze wij we mijn van voor met in op aan uit bij naar over onder door tot om"
    " ook nog al er dit dat deze die",
    "pt": "o a os as um uma e ou mas nao que quem qual quais como onde quando quanto quanta quantos quantas por para"
    " com sem de do da dos das em no na nos nas ao aos sao era foi ser esta estao ha se me te lhe seu sua seus suas"
    " meu minha este isso mais muito ja tambem porque",
    "ru": "и в во не на я он она оно мы вы они что кто где куда как когда почему какои какая какое какие сколько это"
    " этот эта то тот по из за от до с со у к о об для при без под над же ли бы был была было были есть",
}
_WORDS = {language: frozenset(words.split()) - FUNCTION_WORDS for language, words in LISTS.items()}
FOREIGN = frozenset().union(*_WORDS.values())
_NONE: frozenset[str] = frozenset()


def silent_words(found: Collection[str]) -> frozenset[str]:
    """The words of a text that its language makes function words; none for an English text.

    >>> sorted(silent_words("was ist die hauptstadt von la".split())), silent_words("who died in la in the war".split())
    (['die', 'ist', 'von'], frozenset())
    >>> silent_words(["la"]), silent_words(["die", "hard"]), sorted(silent_words("cual es la moneda".split()))
    (frozenset(), frozenset(), ['cual', 'es', 'la'])
    """
    return _NONE if FOREIGN.isdisjoint(found) else _silent(frozenset(found))


def _silent(found: frozenset[str]) -> frozenset[str]:
    english = len(found & FUNCTION_WORDS)
    said = [found & words for words in _WORDS.values()]
    return _NONE.union(*(words for words in said if len(words) > max(english, any(map(str.isascii, words)))))
