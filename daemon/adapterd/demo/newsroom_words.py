"""The word lists and sentences that synthetic news are composed of.

In a sentence `{one}` is the company that is mentioned first and `{two}` the other one, so that the order of the answer
is the order of the text; `{When}` is `{when}` with a capital. Remarks must fit every type of news, and hold no company,
no city and no number in figures other than a year, so that nothing in them can be mistaken for a part of the answer.
"""

FIRST_PARTS = (
    "Alder", "Amberline", "Arkwell", "Ashgrove", "Beacon", "Birchway", "Bluefern", "Brightwater", "Bryndal", "Calder",
    "Candlewick", "Cedarline", "Clearstone", "Cobalt", "Coppergate", "Corvane", "Crestline", "Dalmore", "Dawnridge",
    "Driftwood", "Eastmark", "Elmside", "Evermoor", "Fairhaven", "Fenwick", "Firstlight", "Foxglove", "Glenmark",
    "Goldleaf", "Greywater", "Hartwell", "Hazelton", "Highfern", "Hollin", "Ironbridge", "Ivory", "Kite", "Lantern",
    "Larkspur", "Longmeadow", "Lumora", "Maplewood", "Meridian", "Millbrook", "Moonfield", "Northgate", "Oakhaven",
    "Opaline", "Otterbank", "Pebble", "Pinecrest", "Quarry", "Ravenwood", "Redthorn", "Ridgeline", "Riverton", "Rowan",
    "Saltmarsh", "Sandpiper", "Silverbeck", "Skylark", "Snowdrop", "Stonebridge", "Summit", "Sunfield", "Swiftwater",
    "Tallgrass", "Thistle", "Timberfold", "Truepoint", "Umber", "Valewood", "Violet", "Westbrook", "Whitecap",
    "Willow", "Windmere", "Yarrow", "Zephyr",
)  # fmt: skip

SECOND_PARTS = (
    "Aerospace", "Airlines", "Bank", "Biotech", "Chemicals", "Cosmetics", "Dairy", "Energy", "Farms", "Foods",
    "Furniture", "Games", "Glass", "Health", "Hotels", "Instruments", "Insurance", "Labs", "Logistics", "Media",
    "Mining", "Motors", "Networks", "Optics", "Paper", "Pharma", "Plastics", "Power", "Rail", "Robotics",
    "Semiconductors", "Shipping", "Software", "Solar", "Steel", "Systems", "Telecom", "Textiles", "Toys",
)  # fmt: skip

CITIES = (
    "Accra", "Ankara", "Antwerp", "Athens", "Auckland", "Bergen", "Bogotá", "Boston", "Bristol", "Brno",
    "Buenos Aires", "Busan", "Cairo", "Cape Town", "Copenhagen", "Denver", "Dublin", "Gdańsk", "Geneva", "Glasgow",
    "Graz", "Hamburg", "Helsinki", "Jakarta", "Kraków", "Leeds", "Leipzig", "Lima", "Lisbon", "Lyon", "Madrid",
    "Malmö", "Montreal", "Mumbai", "Munich", "Málaga", "Nairobi", "Naples", "Osaka", "Oslo", "Perth", "Porto",
    "Prague", "Riga", "Rotterdam", "Santiago", "Stockholm", "São Paulo", "Tallinn", "Toulouse", "Turin", "Valencia",
    "Vienna", "Warsaw", "Zürich",
)  # fmt: skip

FIRST_NAMES = (
    "Amina", "Bruno", "Carla", "Daniel", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Keiko", "Leon", "Maria",
    "Nadia", "Oscar", "Paula", "Rafael", "Sofia", "Tomas", "Yusuf",
)  # fmt: skip

LAST_NAMES = (
    "Almeida", "Brandt", "Castillo", "Dietrich", "Eriksen", "Ferrari", "Gupta", "Haddad", "Ito", "Jansen", "Kowalski",
    "Lindqvist", "Moreau", "Novak", "Okafor", "Petrov", "Rossi", "Sato", "Tanaka", "Varga",
)  # fmt: skip

GADGETS = (
    "bicycle light", "camera drone", "coffee machine", "fitness watch", "garden robot", "hearing aid", "heat pump",
    "kitchen scale", "lawn mower", "night lamp", "power drill", "radio", "reading tablet", "sleep sensor", "speaker",
    "water filter",
)  # fmt: skip

MOMENTS = (
    "on Monday", "on Tuesday", "on Wednesday", "on Thursday", "on Friday", "early on Tuesday", "late on Thursday",
    "this morning", "this week", "last week", "earlier this month", "in early March", "in late September",
    "in the third quarter", "at the start of the second quarter", "shortly before the weekend",
)  # fmt: skip

LEADS = ("Business brief: ", "Company news: ", "From our newsdesk: ", "Update: ")

REMARKS = (
    "A spokesperson, {person}, confirmed the news by telephone.",
    "Analysts had expected something like this since {year}.",
    "Chief executive {person} declined to comment.",
    "Few observers were surprised.",
    "It was the second such announcement this year.",
    "Neither side gave any further details.",
    "One analyst called the timing unusual.",
    "{person}, who chairs the board, spoke of a new chapter.",
    "Reporters were told about it by {person}.",
    "Shares were little changed at the close of trading.",
    "Talks had gone on for nine months.",
    "The details had been known in the industry since {year}.",
    "The news came three days before the annual meeting.",
    "The results for the fourth quarter are due next month.",
    "Three of five analysts welcomed the news.",
    "Two people close to the matter confirmed the figure.",
    "“We took our time with this,” {person} said.",
)

TEMPLATES = {
    "funding": (
        "{one} raised ${amount} million {when} in a new funding round led by {two}, and plans to open a second"
        " office in {city}.",
        "{city}-based {one} has secured ${amount} million in fresh funding from its early backer {two}, the young"
        " company said {when}.",
        "{one} led an investment round of ${amount} million in {two}, a startup that three former students"
        " founded in {city} two years ago.",
        "{When}, investors headed by {one} put ${amount} million into {two}, a young company with a small"
        " workshop in {city}.",
        "A funding round of ${amount} million was closed {when} by the startup {one} of {city}, with {two} as its"
        " largest backer.",
        "In {city}, the founders of {one} told their staff {when} that they had raised ${amount} million, most of"
        " it from {two}.",
        "With ${amount} million of venture capital from {one}, the {city} startup {two} can now pay for its first"
        " factory and a larger team.",
        "{one} will invest ${amount} million in {two} to help the startup grow beyond its home market of {city},"
        " both firms said {when}.",
    ),
    "acquisition": (
        "{one} acquired its smaller rival {two} for ${amount} million {when} and will keep the head office of the"
        " new group in {city}.",
        "{one} of {city} has bought {two} for ${amount} million, taking over all of its customers, patents and"
        " staff in one step.",
        "{When}, the owners of {one} agreed to sell the whole company to its old rival {two} of {city} at a price"
        " of ${amount} million.",
        "The takeover of {one} by its larger competitor {two} was completed in {city} {when} at a final price of"
        " ${amount} million.",
        "For ${amount} million, {one} is buying {two}, a family business from {city} with a long list of loyal"
        " customers and suppliers.",
        "Shareholders in {city} approved the takeover of {one} by {two} {when}, which values the business at"
        " ${amount} million.",
        "In {city}, {one} signed a contract {when} to purchase all of the shares of {two} for ${amount} million"
        " in cash.",
        "{one} paid ${amount} million to acquire {two} and will soon move the combined business to {city}, the buyer"
        " said {when}.",
    ),
    "legal": (
        "{one} sued {two} before a court in {city} {when}, seeking ${amount} million in damages over the copied"
        " design of a machine.",
        "A judge in {city} ordered {one} to pay ${amount} million in damages to {two} {when} for the misuse of"
        " trade secrets.",
        "{When}, {one} filed a lawsuit in {city} that accuses {two} of breaking a contract and demands ${amount}"
        " million in damages.",
        "{one} must pay {two} damages of ${amount} million, an appeals court in {city} ruled {when} after a long"
        " and bitter trial.",
        "In {city}, lawyers for {one} asked a court {when} to award ${amount} million in damages against {two}"
        " for stolen patents.",
        "Sued by {one} over false advertising, {two} settled the case before a court in {city} {when} for"
        " ${amount} million.",
        "The long court case between {one} and its former supplier {two} ended in {city} {when} with damages of"
        " ${amount} million.",
        "A jury found {when} that {one} had copied patents of {two}, and the court in {city} set the damages at"
        " ${amount} million.",
    ),
    "product": (
        "{one} launched a {gadget} in {city} {when} for ${amount}, hoping to win back buyers from its older rival"
        " {two}.",
        "At a trade fair in {city}, {one} unveiled a {gadget} {when} that costs ${amount} and runs on software"
        " from {two}.",
        "Priced at ${amount}, the new {gadget} from {one} went on sale in {city} {when} and competes directly"
        " with a model by {two}.",
        "A new {gadget} from {one}, with electronics made by {two}, was launched in {city} {when} at a price of"
        " ${amount} including tax.",
        "Shoppers in {city} can now buy the first {gadget} by {one} for ${amount}, well below what {two} asks for"
        " its own model.",
        "{When}, {one} introduced a {gadget} at its store in {city}; it sells for ${amount} and is built with"
        " parts from {two}.",
        "Challenging {one}, the designers of {two} released a {gadget} in {city} {when} with a price tag of only"
        " ${amount}.",
        "In {city}, {one} began selling a {gadget} {when} at ${amount}, its long-awaited answer to a popular"
        " model by {two}.",
    ),
    "layoffs": (
        "{one} laid off {amount} employees at its plant in {city} {when} after losing its largest and oldest"
        " contract to {two}.",
        "{one} will cut {amount} jobs in {city} now that {two} has ended an important long-term supply order,"
        " managers said {when}.",
        "A total of {amount} workers at the {city} plant of {one} lost their jobs {when} as new orders from {two}"
        " dried up.",
        "{When}, {one} dismissed {amount} people at its offices in {city}, blaming cheap competition from {two}"
        " for the job cuts.",
        "Job cuts at {one} will cost {amount} people in {city} their posts, while its competitor {two} keeps all"
        " of its staff.",
        "In {city}, {one} announced {amount} layoffs {when}, a few days after weak figures from its main customer"
        " {two}.",
        "Under pressure from {one}, the managers of {two} let {amount} employees go {when} and closed their"
        " office in {city}.",
        "The {city} office of {one} is shedding {amount} jobs because its client {two} no longer buys its services, the"
        " unions said {when}.",
    ),
    "partnership": (
        "{one} and {two} will work together on clean transport in {city} and share a budget of ${amount} million,"
        " they said {when}.",
        "{one} formed a partnership with {two} {when} to develop better batteries in {city}, with a joint budget"
        " of ${amount} million.",
        "{When}, {one} teamed up with its neighbour {two} for a joint research project in {city} that is worth"
        " ${amount} million in all.",
        "In {city}, {one} and {two} announced an alliance {when} and will spend ${amount} million together on"
        " shared laboratories there.",
        "A joint venture of {one} and {two} opened in {city} {when}; the two partners will share its costs of"
        " ${amount} million.",
        "From a shared office in {city}, {one} will cooperate with {two} on software for schools, a joint project"
        " of ${amount} million.",
        "With a joint budget of ${amount} million, {one} of {city} and its new local partner {two} want to build"
        " charging stations together.",
        "{one} joined forces with {two} {when}: together they will soon run a test centre in {city} that costs"
        " ${amount} million.",
    ),
}
