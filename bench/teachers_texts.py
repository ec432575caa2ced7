"""Made-up passages in eight languages, with questions and answers, for the measurement of a teacher's filters.

Each topic has blanks: {p} a person, {s} how one is called the second time, {c} a place, {n} a number above a thousand,
{m} one of two digits, {y} a year. `quote` is what somebody says in the passage. The rules were mended by what they got
wrong in those of TRAIN; HELD_OUT is what is reported.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """A passage and what is asked and said about it; `persons` are pairs of a whole name and its short form."""

    code: str
    source: str
    quote: str
    invented: str
    questions: tuple[str, ...]
    answers: tuple[str, ...]
    quoting: str
    refusal: str
    persons: tuple[tuple[str, str], ...]
    places: tuple[str, ...]
    thousands: tuple[str, ...] = (",",)


TRAIN = (
    Topic(
        "en",
        (
            "The ferry Aurora has crossed the bay at {c} since {y}. It belongs to {p}, who bought it for {n} "
            'dollars and employs {m} people. In winter the boat stays in the harbour. "{quote}," {s} told '
            "the council on Tuesday. Bicycles travel for free, and a baker sells rolls at the railing."
        ),
        "We have never lost a single passenger in the fog",
        "We will build three more boats next summer",
        ("Who owns the ferry?", "What does the passage say about the ferry?", "How large is the crew?"),
        (
            "The ferry is owned by {p}.",
            (
                "{s}, the owner, paid {n} dollars for the Aurora. Since {y} it has been crossing the bay; in the "
                "cold months it rests."
            ),
            "Altogether {m} people work on the boat, which sails from {c}.",
            (
                "Anyone with a bicycle rides free of charge. Bread can be bought on board, and the vessel has "
                "served {c} since {y}."
            ),
        ),
        'According to {s}, "{quote}".',
        "The passage does not say how deep the bay is.",
        (
            ("Liam O'Neill", "O'Neill"),
            ("Grace Whitfield", "Whitfield"),
            ("Tom Barlow", "Barlow"),
            ("Edith Crane", "Crane"),
            ("Hugh Pemberton", "Pemberton"),
            ("Nora Ashby", "Ashby"),
        ),
        ("Dunmore", "Port Ellis", "Kelsey", "Brockton"),
        (",", " ", ""),
    ),
    Topic(
        "de",
        (
            "Die Mühle in {c} mahlt seit {y} wieder Dinkel. Sie gehört {p}, der das Wasserrad für {n} Euro "
            "erneuern ließ und {m} Mitarbeiter beschäftigt. Das Mehl wird in Säcken aus Leinen verkauft. "
            "„{quote}“, sagte {s} am Dienstag im Gemeinderat. Samstags führen Schüler die Besucher über die "
            "Treppe."
        ),
        "Unser Wasser reicht auch in trockenen Sommern",
        "Wir bauen nächstes Jahr ein zweites Rad",
        ("Wem gehört die Mühle?", "Was sagt der Text über die Mühle?", "Wie viele arbeiten dort?"),
        (
            "Der Eigentümer der Mühle ist {p}.",
            ("{s} hat für die Erneuerung des Rades {n} Euro bezahlt. Seit {y} wird dort wieder Getreide verarbeitet."),
            "Insgesamt arbeiten {m} Menschen in der Anlage in {c}.",
            ("Jugendliche zeigen Gästen am Wochenende die Anlage. Käufer bekommen das Erzeugnis in Leinensäcken."),
        ),
        "Laut {s} gilt: „{quote}“.",
        "Der Text sagt nicht, wie hoch die Mühle ist; das ist in der Quelle nicht angegeben.",
        (
            ("Jonas Weber", "Weber"),
            ("Karl Brandner", "Brandner"),
            ("Uwe Lindqvist", "Lindqvist"),
            ("Otto Hasler", "Hasler"),
            ("Emil Rasch", "Rasch"),
            ("Bernd Falkner", "Falkner"),
        ),
        ("Oberfeld", "Lindau", "Rastatt", "Goslar"),
        (".", " ", ""),
    ),
    Topic(
        "fr",
        (
            "Le phare de {c} s'allume de nouveau depuis {y}. Il appartient à {p}, qui l'a fait réparer pour "
            "{n} euros et emploie {m} personnes. L'hiver, la lampe est démontée. « {quote} », a dit {s} "
            "mardi au conseil. Un écrivain y loge chaque été pendant trois semaines."
        ),
        "La mer nous a toujours rendu nos bateaux",
        "Nous vendrons la tour avant la fin du mois",
        (
            "À qui appartient le phare ?",
            "Que dit le texte du phare ?",
            "Combien de personnes y travaillent ?",
        ),
        (
            "Le propriétaire du phare est {p}.",
            "{s} a payé {n} euros de travaux. Depuis {y}, la lampe brille de nouveau.",
            "On y compte {m} employés, à {c}.",
            ("Pendant trois semaines d'été, un auteur habite la tour de {c}; la lampe est retirée à la saison froide."),
        ),
        "Selon {s}, « {quote} ».",
        "Le texte ne précise pas la hauteur du phare : je ne sais pas.",
        (
            ("Marc Delorme", "Delorme"),
            ("Paul Vasseur", "Vasseur"),
            ("Luc Garnier", "Garnier"),
            ("Yves Tanguy", "Tanguy"),
            ("Rémi Colas", "Colas"),
            ("Hervé Jodelle", "Jodelle"),
        ),
        ("Kermor", "Plougan", "Saint-Brieux", "Portvieux"),
        (" ", "\u202f", ""),
    ),
    Topic(
        "ru",
        (
            "Старая каланча в городе {c} открыта с {y} года. Ей владеет {p}, который потратил на ремонт {n} "
            "рублей и нанял {m} человек. Зимой лестница закрыта. «{quote}», сказал {s} во вторник. По "
            "субботам гостям показывают большую трубу."
        ),
        "Отсюда видно каждую крышу нашего города",
        "Мы скоро построим ещё одну башню рядом",
        ("Кому принадлежит каланча?", "Что говорится о каланче?", "Сколько человек там работает?"),
        (
            "Владелец каланчи — {p}.",
            "Ремонт обошёлся в {n} рублей, башня открыта с {y} года.",
            "Там трудятся {m} человек.",
            "Гостям показывают трубу каждую субботу; в холодное время подниматься нельзя.",
        ),
        "По словам владельца, «{quote}».",
        "",
        (
            ("Иван Петров", "Петров"),
            ("Олег Сомов", "Сомов"),
            ("Пётр Лапин", "Лапин"),
            ("Семён Орлов", "Орлов"),
            ("Юрий Блинов", "Блинов"),
            ("Глеб Зорин", "Зорин"),
        ),
        ("Рыбинск", "Елец", "Кашин", "Тотьма"),
        (" ", ""),
    ),
    Topic(
        "zh",
        "{c}市的老图书馆自{y}年起重新开放。馆长{p}教授花了{n}元修缮屋顶，并聘请了{m}名员工。冬天阁楼不开放。“{quote}，”{s}教授星期二说。学生们每周六给客人讲解古老的地图。",
        "我们的每一张地图都有自己的故事",
        "明年我们要把全部书籍卖给别人",
        ("谁是馆长？", "文章怎么介绍图书馆？", "有多少员工？"),
        (
            "馆长是{p}教授。",
            "修缮屋顶用了{n}元，图书馆{y}年重新开放。",
            "馆里一共有{m}名员工。",
            "{p}教授聘请了{m}人；周六有学生向参观者讲解地图。",
        ),
        "{s}教授说：“{quote}”。",
        "",
        (("王小明", "王"), ("李建国", "李"), ("陈思远", "陈"), ("赵文海", "赵"), ("周立新", "周"), ("吴桂芳", "吴")),
        ("杭州", "苏州", "青岛", "大理"),
        ("", ","),
    ),
    Topic(
        "ar",
        (
            "المكتبة القديمة في مدينة {c} مفتوحة من جديد منذ عام {y}. مديرها الدكتور {p} أنفق {n} دينار على "
            "السقف ووظف {m} شخصا. في الشتاء تغلق الغرفة العليا. «{quote}»، قال {s} يوم الثلاثاء. يشرح الطلاب "
            "الخرائط للزوار كل سبت."
        ),
        "كل خريطة عندنا لها حكاية طويلة",
        "سوف نبيع جميع الكتب في العام القادم",
        ("من هو مدير المكتبة؟", "ماذا يقول النص عن المكتبة؟", "كم عدد الموظفين؟"),
        (
            "مدير المكتبة هو الدكتور {p}.",
            "كلف السقف {n} دينار، والمكتبة مفتوحة منذ {y}.",
            "يعمل هناك {m} شخصا.",
            "يتولى الطلاب شرح الخرائط يوم السبت، والدكتور {p} هو الذي وظف {m} شخصا.",
        ),
        "قال المدير: «{quote}».",
        "",
        (
            ("أحمد سالم", "سالم"),
            ("يوسف حداد", "حداد"),
            ("كريم منصور", "منصور"),
            ("طارق نجار", "نجار"),
            ("فارس عمران", "عمران"),
            ("ماجد خوري", "خوري"),
        ),
        ("عمان", "حلب", "تونس", "صور"),
        ("", "٬"),
    ),
    Topic(
        "hi",
        (
            "{c} का पुराना डाकघर {y} से फिर खुला है। इसके प्रमुख श्री {p} ने छत पर {n} रुपये खर्च किए और {m} "
            'लोगों को काम दिया। सर्दियों में ऊपर का कमरा बंद रहता है। "{quote}", {s} ने मंगलवार को कहा। '
            "शनिवार को छात्र मेहमानों को पुराने नक्शे दिखाते हैं।"
        ),
        "हमारी हर चिट्ठी अपनी मंज़िल तक पहुँचती है",
        "हम अगले साल सारी इमारत बेच देंगे",
        ("डाकघर का प्रमुख कौन है?", "पाठ डाकघर के बारे में क्या कहता है?", "कितने लोग काम करते हैं?"),
        (
            "डाकघर के प्रमुख श्री {p} हैं।",
            "छत पर {n} रुपये लगे और डाकघर {y} से खुला है।",
            "वहाँ {m} लोग काम करते हैं।",
            "श्री {p} ने {m} लोगों को रखा; शनिवार को नक्शे दिखाए जाते हैं।",
        ),
        'प्रमुख ने कहा, "{quote}"।',
        "",
        (
            ("रमेश शर्मा", "शर्मा"),
            ("सुरेश पाठक", "पाठक"),
            ("दिनेश रावत", "रावत"),
            ("महेश जोशी", "जोशी"),
            ("गणेश नेगी", "नेगी"),
            ("नरेश बिष्ट", "बिष्ट"),
        ),
        ("नैनीताल", "मंडी", "चंबा", "सागर"),
        (",", ""),
    ),
    Topic(
        "th",
        (
            "ห้องสมุดเก่าในจังหวัด{c}เปิดอีกครั้งตั้งแต่ปี {y} ผู้อำนวยการคือนาย{p} ซึ่งใช้เงิน {n} "
            "บาทซ่อมหลังคาและจ้างคน {m} คน ในฤดูหนาวห้องชั้นบนปิด “{quote}” นาย{s}กล่าวเมื่อวันอังคาร "
            "นักเรียนแนะนำแผนที่เก่าให้แขกทุกวันเสาร์"
        ),
        "แผนที่ทุกแผ่นของเรามีเรื่องเล่าของตัวเอง",
        "ปีหน้าเราจะขายหนังสือทั้งหมดให้คนอื่น",
        ("ใครเป็นผู้อำนวยการ", "ข้อความพูดถึงห้องสมุดว่าอย่างไร", "มีคนทำงานกี่คน"),
        (
            "ผู้อำนวยการคือนาย{p}",
            "การซ่อมหลังคาใช้เงิน {n} บาท และเปิดตั้งแต่ปี {y}",
            "มีคนทำงาน {m} คน",
            "นาย{p}จ้างคน {m} คน และนักเรียนแนะนำแผนที่ทุกวันเสาร์",
        ),
        "ผู้อำนวยการกล่าวว่า “{quote}”",
        "",
        (
            ("สมชาย ใจดี", "สมชาย"),
            ("วิชัย ทองคำ", "วิชัย"),
            ("ประเสริฐ แก้วใส", "ประเสริฐ"),
            ("อนันต์ ศรีสุข", "อนันต์"),
            ("ธนากร บุญมา", "ธนากร"),
            ("กิตติ พงษ์ไทย", "กิตติ"),
        ),
        ("เชียงใหม่", "ขอนแก่น", "ตรัง", "น่าน"),
        (",", ""),
    ),
)
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
