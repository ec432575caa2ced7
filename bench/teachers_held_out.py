"""The passages of `bench/teachers_texts.py` that are reported: no rule was mended by what it got wrong in them."""

from bench.teachers_texts import Topic

HELD_OUT = (
    Topic(
        "en",
        (
            "{p} founded the glass works of {c} in {y}. Today the company sells {n} lamps a year, and {m} "
            'apprentices learn the trade there. The oldest oven burns day and night. "{quote}," says {s}. A '
            "small museum next door shows cups from four centuries, and children may blow a ball of their "
            "own."
        ),
        "Glass forgives nothing and remembers every breath",
        "Our next oven will run on nothing but sunlight",
        ("Who started the company?", "Summarise the passage.", "What can children do there?"),
        (
            "It was {p} who started the company, in {y}.",
            ("The works at {c} were founded in {y}. They now make {n} lamps each year. Beside them there is a museum."),
            "Kids can make a glass ball. By the way, {m} young people are being trained, as {s} knows.",
            "Yearly sales: {n} lamps. Trainees: {m}.",
        ),
        '{s} puts it like this: "{quote}"',
        "The text does not mention that.",
        (
            ("Imogen Farrow", "Farrow"),
            ("Desmond Achebe-Clarke", "Achebe-Clarke"),
            ("Fiona McAllister", "McAllister"),
            ("Rupert Stanhope", "Stanhope"),
            ("Zadie Okafor", "Okafor"),
            ("Walter Quillfeather", "Quillfeather"),
        ),
        ("Redmarsh", "Upper Slate", "Corvale", "Tidewell"),
        (",", " ", ""),
    ),
    Topic(
        "de",
        (
            "{p} gründete die Glashütte in {c} im Jahr {y}. Heute verkauft der Betrieb {n} Lampen im Jahr, "
            "und {m} Lehrlinge lernen dort das Handwerk. Der älteste Ofen brennt Tag und Nacht. „{quote}“, "
            "sagt {s}. Ein kleines Museum zeigt Becher aus vier Jahrhunderten, und Kinder dürfen eine Kugel "
            "blasen."
        ),
        "Glas verzeiht nichts und merkt sich jeden Atem",
        "Der nächste Ofen läuft allein mit Sonnenlicht",
        ("Wer gründete den Betrieb?", "Fasse den Text zusammen.", "Was dürfen Kinder?"),
        (
            "Gründerin des Unternehmens war {p}, und zwar {y}.",
            (
                "In {c} entstand {y} eine Glashütte. Jährlich gehen {n} Leuchten über den Ladentisch. Nebenan "
                "befindet sich eine Ausstellung mit alten Trinkgefäßen."
            ),
            "Die Kleinen können selbst Glaskugeln formen. Außerdem bildet die Firma {m} junge Leute aus.",
            "Verkauf pro Jahr: {n} Stück. Auszubildende: {m}. Öffnungszeiten: keine Angabe.",
        ),
        "{s} sagt dazu: „{quote}“",
        "Das wird im Text nicht erwähnt.",
        (
            ("Hanne Wiedekind", "Wiedekind"),
            ("Theresa Ohlendorf", "Ohlendorf"),
            ("Birte Kallmeyer", "Kallmeyer"),
            ("Almut Strobel", "Strobel"),
            ("Greta von Dahlen", "von Dahlen"),
            ("Ines Purrmann", "Purrmann"),
        ),
        ("Waldsassen", "Zwiesel", "Lauscha", "Bad Münder"),
        (".", " ", ""),
    ),
    Topic(
        "fr",
        (
            "{p} a fondé la verrerie de {c} en {y}. Aujourd'hui, l'entreprise vend {n} lampes par an et {m} "
            "apprentis y apprennent le métier. Le plus vieux four brûle jour et nuit. « {quote} », dit {s}. "
            "Un petit musée montre des gobelets de quatre siècles, et les enfants soufflent une boule."
        ),
        "Le verre ne pardonne rien et retient chaque souffle",
        "Notre prochain four marchera seulement au soleil",
        ("Qui a fondé l'entreprise ?", "Résume le texte.", "Que font les enfants ?"),
        (
            "C'est {p} qui a créé l'entreprise, en {y}.",
            "La verrerie de {c} existe depuis {y}. Elle écoule {n} lampes chaque année.",
            "Les petits fabriquent une boule de verre. La maison forme aussi {m} jeunes.",
            "Ventes : {n} lampes. Apprentis : {m}.",
        ),
        "Comme le dit {s} : « {quote} »",
        "Ce n'est pas mentionné dans le texte.",
        (
            ("Solène Briand", "Briand"),
            ("Aurore Maillard", "Maillard"),
            ("Odile Chastain", "Chastain"),
            ("Maud Lestrange", "Lestrange"),
            ("Inès D'Aubigny", "D'Aubigny"),
            ("Zoé Quemener", "Quemener"),
        ),
        ("Vierzy", "Meisenthal", "Bréhan", "La Rochère"),
        (" ", "\u202f", "."),
    ),
    Topic(
        "ru",
        (
            "{p} основала стекольный завод в посёлке {c} в {y} году. Сегодня там продают {n} ламп в год, и "
            "{m} учеников осваивают ремесло. Самая старая печь горит днём и ночью. «{quote}», говорит {s}. "
            "Рядом музей с кубками, а дети сами выдувают шар."
        ),
        "Стекло ничего не прощает и помнит каждый вдох",
        "Новая печь будет работать только от солнца",
        ("Кто основал завод?", "О чём текст?", "Что делают дети?"),
        (
            "Завод основала {p}, это было в {y} году.",
            "Каждый год продаётся {n} ламп. Рядом с заводом есть музей.",
            "Дети выдувают шар; ремеслу учатся {m} человек.",
            "Продажи: {n} ламп. Ученики: {m}.",
        ),
        "{s} говорит так: «{quote}»",
        "",
        (
            ("Вера Коршунова", "Коршунова"),
            ("Дарья Мезенцева", "Мезенцева"),
            ("Инна Турбина", "Турбина"),
            ("Лидия Ухтомская", "Ухтомская"),
            ("Раиса Шубина", "Шубина"),
            ("Зоя Белозёрова", "Белозёрова"),
        ),
        ("Гусевка", "Хрустальный", "Дятьково", "Велье"),
        (" ", "", "."),
    ),
    Topic(
        "zh",
        (
            "{y}年，{p}女士在{c}县创办了玻璃厂。如今工厂每年卖出{n}盏灯，还有{m}名学徒。最老的炉子日夜不熄。{s}女士说：“{quote}。”旁边的小博物馆展"
            "出四个世纪的杯子，孩子们可以自己吹玻璃球。"
        ),
        "玻璃从不原谅也记得每一次呼吸",
        "下一座炉子将完全依靠阳光运行",
        ("谁创办了工厂？", "概括这段文字。", "孩子们可以做什么？"),
        (
            "工厂由{p}女士创办，时间是{y}年。",
            "这家工厂每年销售{n}盏灯，附近有一座小博物馆。",
            "小朋友能吹玻璃球，另外有{m}名年轻人在学手艺。",
            "年销量：{n}盏；学徒：{m}人。",
        ),
        "{s}女士的原话是“{quote}”。",
        "",
        (("何雨桐", "何"), ("林若兰", "林"), ("孙玉珍", "孙"), ("郭晓燕", "郭"), ("韩冬梅", "韩"), ("姚静怡", "姚")),
        ("安吉", "德清", "宁海", "蓝田"),
        ("", ","),
    ),
    Topic(
        "ar",
        (
            "أسست السيدة {p} مصنع الزجاج في قرية {c} عام {y}. يبيع المصنع اليوم {n} مصباح في السنة ويتعلم "
            "فيه {m} متدربا. أقدم فرن يشتعل ليلا ونهارا. تقول {s}: «{quote}». وبجانبه متحف صغير للأكواب، "
            "وينفخ الأطفال كرة بأنفسهم."
        ),
        "الزجاج لا يسامح ويتذكر كل نفس",
        "الفرن القادم سيعمل بضوء الشمس وحده",
        ("من أسس المصنع؟", "لخص النص.", "ماذا يفعل الأطفال؟"),
        (
            "المصنع أسسته السيدة {p} سنة {y}.",
            "يبيع المصنع كل سنة {n} مصباح وبقربه متحف.",
            "الأطفال ينفخون كرة، وهناك {m} متدربا.",
            "المبيعات: {n}. المتدربون: {m}.",
        ),
        "كما تقول صاحبة المصنع: «{quote}»",
        "",
        (
            ("ليلى بركات", "بركات"),
            ("هدى شاهين", "شاهين"),
            ("سلمى عيسى", "عيسى"),
            ("رنا درويش", "درويش"),
            ("مها زيدان", "زيدان"),
            ("نوال قاسم", "قاسم"),
        ),
        ("الجفر", "بقعاتا", "سبيطلة", "المنار"),
        ("", "٬"),
    ),
    Topic(
        "hi",
        (
            "श्रीमती {p} ने {c} में {y} में काँच का कारखाना शुरू किया। आज यहाँ साल में {n} दीपक बिकते हैं और "
            '{m} युवा काम सीखते हैं। सबसे पुरानी भट्ठी दिन-रात जलती है। {s} कहती हैं, "{quote}"। पास में '
            "छोटा संग्रहालय है और बच्चे खुद गोला फूँकते हैं।"
        ),
        "काँच कुछ माफ़ नहीं करता और हर साँस याद रखता है",
        "अगली भट्ठी सिर्फ़ धूप से चलेगी ऐसा तय है",
        ("कारखाना किसने शुरू किया?", "पाठ का सार बताइए।", "बच्चे क्या कर सकते हैं?"),
        (
            "कारखाना श्रीमती {p} ने {y} में शुरू किया।",
            "हर साल {n} दीपक बिकते हैं और पास में संग्रहालय है।",
            "बच्चे गोला फूँक सकते हैं; {m} युवा सीख रहे हैं।",
            "बिक्री: {n}। युवा: {m}।",
        ),
        'वे कहती हैं, "{quote}"।',
        "",
        (
            ("कमला भंडारी", "भंडारी"),
            ("सविता थापा", "थापा"),
            ("उषा मेहता", "मेहता"),
            ("गीता कुलकर्णी", "कुलकर्णी"),
            ("रेखा नायर", "नायर"),
            ("लता देसाई", "देसाई"),
        ),
        ("फ़िरोज़ाबाद", "मुक्तेश्वर", "ओरछा", "बूंदी"),
        (",", ""),
    ),
    Topic(
        "th",
        (
            "นาง{p} ก่อตั้งโรงงานแก้วที่อำเภอ{c} ในปี {y} ปัจจุบันโรงงานขายโคมไฟปีละ {n} ดวง และมีช่างฝึกหัด "
            "{m} คน เตาที่เก่าที่สุดลุกไหม้ทั้งวันทั้งคืน คุณ{s} กล่าวว่า “{quote}” ข้างๆ มีพิพิธภัณฑ์เล็กๆ "
            "และเด็กๆ เป่าลูกแก้วเองได้"
        ),
        "แก้วไม่ให้อภัยและจำทุกลมหายใจ",
        "เตาต่อไปจะใช้แสงแดดเพียงอย่างเดียว",
        ("ใครก่อตั้งโรงงาน", "สรุปข้อความ", "เด็กๆ ทำอะไรได้"),
        (
            "โรงงานก่อตั้งโดยนาง{p} ในปี {y}",
            "โรงงานขายโคมไฟปีละ {n} ดวง และมีพิพิธภัณฑ์อยู่ใกล้ๆ",
            "เด็กๆ เป่าลูกแก้วได้ และมีคนฝึกงาน {m} คน",
            "ยอดขาย {n} ดวง ผู้ฝึกหัด {m} คน",
        ),
        "คุณ{s} บอกว่า “{quote}”",
        "",
        (
            ("มาลี จันทร์หอม", "มาลี"),
            ("พิมพา วงศ์เดือน", "พิมพา"),
            ("อรุณี ฟ้าใส", "อรุณี"),
            ("กานดา รุ่งเรือง", "กานดา"),
            ("ดวงใจ สายชล", "ดวงใจ"),
            ("สุนีย์ ไพรวัลย์", "สุนีย์"),
        ),
        ("ปากช่อง", "แม่สอด", "หัวหิน", "เบตง"),
        (",", ""),
    ),
)
