"""Made-up passages in eight languages, with questions and answers, for the measurement of a teacher's filters.

Each topic has blanks: {p} a person, {s} how one is called the second time, {c} a place, {n} a number above a thousand,
{m} one of two digits, {y} a year. `quote` is what somebody says in the passage. The rules were mended by what they got
wrong in these; what is reported is of `bench/teachers_held_out.py`.
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
