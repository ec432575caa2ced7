"""Sentences of our own in many languages, for the measurement of leaks: what they say is made up.

Each language has sentences of one made-up report, words to fill blanks with, and short prompts that have a blank.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """The texts of one language; `spaces` tells whether there are any between its words. `questions` are
    whole prompts of about seven characters."""

    code: str
    sentences: tuple[str, ...]
    nouns: tuple[str, ...]
    adjectives: tuple[str, ...]
    templates: tuple[str, ...]
    spaces: bool = True
    questions: tuple[str, ...] = ()


LANGUAGES = (
    Language(
        "en",
        (
            "The old ferry crosses the bay twice a day until the first snow.",
            "Its captain keeps a parrot that announces every landing.",
            "On Mondays the crew paints one plank of the deck in a new colour.",
            "Passengers may bring bicycles, geese and small boats without a fee.",
            "A baker from the northern shore sells warm rolls at the railing.",
            "When fog comes up, three bells answer each other across the water.",
        ),
        ("lantern", "meadow", "harbour", "kettle", "orchard", "violin", "bridge", "saddle", "glacier", "pepper"),
        ("quiet", "copper", "narrow", "frozen", "ancient", "hollow", "yellow"),
        ("Sentiment: {}", "Translate to German: {}", "Give a headline about the {}"),
    ),
    Language(
        "de",
        (
            "Die alte Mühle am Wehr mahlt seit dem Frühjahr wieder Dinkel.",
            "Ihr Besitzer hat das Wasserrad aus Lärchenholz neu gebaut.",
            "Jeden Samstag führen Schüler die Besucher über die schmale Treppe.",
            "Das Mehl wird in Leinensäcken mit einem grünen Siegel verkauft.",
            "Ein Storch brütet auf dem Dach und lässt sich nicht stören.",
            "Im Herbst soll daneben ein kleiner Backofen angeheizt werden.",
        ),
        ("Laterne", "Wiese", "Hafen", "Kessel", "Garten", "Geige", "Brücke", "Sattel", "Gletscher", "Pfeffer"),
        ("stille", "kupferne", "schmale", "gefrorene", "uralte", "hohle", "gelbe"),
        ("Stimmung: {}", "Übersetze ins Englische: {}", "Nenne eine Überschrift über: {}"),
    ),
    Language(
        "fr",
        (
            "Le vieux phare de la pointe s'allume encore à la tombée du jour.",
            "Sa gardienne cultive des fraises entre les rochers.",
            "Chaque été, un écrivain y loge pendant trois semaines.",
            "Les bateaux saluent d'un coup de sirène en passant la jetée.",
            "Une échelle de corde mène à la chambre des cartes marines.",
            "Cet hiver, la lampe sera démontée, nettoyée et réparée à terre.",
        ),
        ("lanterne", "prairie", "port", "bouilloire", "verger", "violon", "pont", "selle", "glacier", "poivre"),
        ("calme", "cuivrée", "étroite", "gelée", "ancienne", "creuse", "jaune"),
        ("Sentiment : {}", "Traduis en allemand : {}", "Donne un titre sur : {}"),
    ),
    Language(
        "es",
        (
            "El mercado de la plaza abre ahora también los jueves por la tarde.",
            "Una apicultora vende miel de romero en tarros diminutos.",
            "Los niños pesan las cerezas en una balanza del siglo pasado.",
            "Detrás de la fuente, un zapatero arregla botas mientras se espera.",
            "El ayuntamiento ha puesto toldos azules contra el calor.",
            "A las ocho suena la campana y se recogen las mesas.",
        ),
        ("linterna", "pradera", "puerto", "caldera", "huerto", "violín", "puente", "silla", "glaciar", "pimienta"),
        ("tranquila", "cobriza", "estrecha", "helada", "antigua", "hueca", "amarilla"),
        ("Sentimiento: {}", "Traduce al alemán: {}", "Da un titular sobre: {}"),
    ),
    Language(
        "el",
        (
            "Το μικρό καΐκι φεύγει κάθε πρωί από το λιμάνι του νησιού.",
            "Ο καπετάνιος μοιράζει σύκα στους επιβάτες του καταστρώματος.",
            "Στην απέναντι ακτή περιμένει ένα λεωφορείο με πράσινες κουρτίνες.",
            "Οι ψαράδες απλώνουν τα δίχτυα τους πάνω στα βράχια.",
            "Μια γάτα κοιμάται πάντα δίπλα στην άγκυρα.",
            "Το βράδυ ανάβουν φαναράκια σε όλη την προβλήτα.",
        ),
        ("φανάρι", "λιβάδι", "λιμάνι", "βραστήρας", "περιβόλι", "βιολί", "γεφύρι", "σέλα", "παγετώνας", "πιπέρι"),
        ("ήσυχο", "χάλκινο", "στενό", "παγωμένο", "αρχαίο", "κούφιο", "κίτρινο"),
        ("Συναίσθημα: {}", "Μετάφρασε στα γερμανικά: {}", "Δώσε τίτλο για: {}"),
    ),
    Language(
        "ru",
        (
            "Старая пожарная каланча снова открыта для гостей города.",
            "Наверху висит подзорная труба в латунной оправе.",
            "По субботам смотритель рассказывает о больших наводнениях.",
            "Лестница скрипит, но каждую весну её проверяют плотники.",
            "Во дворе растёт рябина, посаженная первой командой.",
            "К осени обещают починить часы на южной стороне.",
        ),
        ("фонарь", "луг", "порт", "чайник", "сад", "скрипка", "мост", "седло", "ледник", "перец"),
        ("тихий", "медный", "узкий", "замёрзший", "древний", "пустой", "жёлтый"),
        ("Тональность: {}", "Переведи на немецкий: {}", "Придумай заголовок про: {}"),
    ),
    Language(
        "ar",
        (
            "تفتح المكتبة القديمة أبوابها كل صباح قبل السوق.",
            "يحفظ أمينها الخرائط في أدراج من خشب الجوز.",
            "يجلس الطلاب قرب النافذة المطلة على النهر.",
            "في الطابق الأعلى غرفة صغيرة لإصلاح الكتب.",
            "تزور القطط الساحة وتنام تحت شجرة التين.",
            "سيبدأ ترميم السقف بعد انتهاء موسم المطر.",
        ),
        ("فانوس", "مرج", "ميناء", "إبريق", "بستان", "كمان", "جسر", "سرج", "جليد", "فلفل"),
        ("هادئ", "نحاسي", "ضيق", "متجمد", "عتيق", "أجوف", "أصفر"),
        ("المشاعر: {}", "ترجم إلى الألمانية: {}", "اقترح عنوانا عن: {}"),
    ),
    Language(
        "hi",
        (
            "पहाड़ी गाँव का डाकघर अब दोपहर तक खुला रहता है।",
            "डाकिया चिट्ठियाँ घोड़े पर लादकर ऊपर ले जाता है।",
            "बच्चे दीवार पर रंगीन टिकट चिपकाते हैं।",
            "बरसात में पुल के पास एक नाव तैयार रखी जाती है।",
            "चाय की दुकान पर सब लोग पुराने अख़बार पढ़ते हैं।",
            "अगले महीने यहाँ एक नई घंटी लगाई जाएगी।",
        ),
        ("लालटेन", "मैदान", "बंदरगाह", "केतली", "बगीचा", "वायलिन", "पुल", "काठी", "हिमनद", "मिर्च"),
        ("शांत", "ताँबई", "सँकरा", "जमा हुआ", "प्राचीन", "खोखला", "पीला"),
        ("भावना: {}", "जर्मन में अनुवाद करो: {}", "इस पर शीर्षक दो: {}"),
    ),
    Language(
        "ko",
        (
            "오래된 기차역은 봄부터 작은 도서관으로 쓰이고 있다.",
            "역장은 아직도 매일 아침 시계의 태엽을 감는다.",
            "승강장에는 아이들이 심은 해바라기가 줄지어 서 있다.",
            "대합실 난로 옆에서 할머니들이 뜨개질을 가르친다.",
            "마지막 열차의 차표는 유리 상자 안에 보관되어 있다.",
            "가을에는 선로를 따라 산책길이 열릴 예정이다.",
        ),
        ("등불", "초원", "항구", "주전자", "과수원", "바이올린", "다리", "안장", "빙하", "후추"),
        ("조용한", "구리빛", "좁은", "얼어붙은", "오래된", "속이 빈", "노란"),
        ("감정: {}", "독일어로 번역해 줘: {}", "제목을 지어 줘: {}"),
    ),
    Language(
        "zh",
        (
            "河边的老茶馆每天清晨六点准时开门迎客。",
            "掌柜养着一只会报天气的灰色鹦鹉。",
            "说书人在木台上讲述从前渡口的大洪水。",
            "孩子们用树叶折成小船放进门前的水渠。",
            "秋天的桂花糕总是不到中午就卖完了。",
            "明年春天屋顶的青瓦将由两位师傅重新铺好。",
        ),
        ("灯笼", "草原", "港口", "水壶", "果园", "提琴", "石桥", "马鞍", "冰川", "胡椒"),
        ("安静的", "铜色的", "狭窄的", "冰冻的", "古老的", "空心的", "黄色的"),
        ("情感分析：{}", "翻译成德语：{}", "给这个主题起个标题：{}"),
        spaces=False,
        questions=(
            "今天天气怎么样",
            "北京有多少人口",
            "怎样煮好一碗面",
            "谁写了这首古诗",
            "请总结这篇文章",
            "推荐一本好小说",
            "给孩子讲个故事",
        ),
    ),
    Language(
        "ja",
        (
            "港の古い倉庫は春から小さな美術館になりました。",
            "館長は毎朝、船の模型のほこりを羽根で払います。",
            "二階の窓からは赤い灯台と漁船がよく見えます。",
            "日曜日には子どもたちが貝殻で絵を作ります。",
            "入口の鐘は沈んだ帆船から引き上げられたものです。",
            "冬の間に屋根の修理が終わる予定です。",
        ),
        ("提灯", "草原", "港町", "やかん", "果樹園", "バイオリン", "石橋", "鞍", "氷河", "胡椒"),
        ("静かな", "銅色の", "狭い", "凍った", "古い", "空洞の", "黄色い"),
        ("感情分析：{}", "ドイツ語に訳して：{}", "見出しを付けて：{}"),
        spaces=False,
        questions=(
            "東京の人口は何人",
            "猫の名前を考えて",
            "この文を要約して",
            "月までの距離は",
            "俳句を一つ作って",
            "富士山の高さは",
        ),
    ),
    Language(
        "th",
        (
            "ตลาดน้ำเก่าแก่เปิดขายของทุกเช้าวันเสาร์",
            "แม่ค้าพายเรือลำเล็กขายขนมตาลร้อนๆ",
            "เด็กนักเรียนวาดรูปสะพานไม้ริมคลอง",
            "ช่างซ่อมเรือทำงานอยู่ใต้ต้นมะขามใหญ่",
            "เสียงระฆังวัดบอกเวลาให้คนทั้งหมู่บ้าน",
            "ปีหน้าจะมีการสร้างท่าเรือใหม่ด้วยไม้สัก",
        ),
        ("โคมไฟ", "ทุ่งหญ้า", "ท่าเรือ", "กาน้ำ", "สวนผลไม้", "ไวโอลิน", "สะพาน", "อานม้า", "ธารน้ำแข็ง", "พริกไทย"),
        ("เงียบสงบ", "สีทองแดง", "แคบๆ", "แช่แข็ง", "โบราณ", "กลวง", "สีเหลือง"),
        ("อารมณ์ของข้อความ: {}", "แปลเป็นภาษาเยอรมัน: {}", "ตั้งหัวข้อข่าวเรื่อง: {}"),
        spaces=False,
        questions=("แมวชอบกินอะไร", "ช่วยสรุปข่าวนี้", "วันนี้ฝนตกไหม"),
    ),
    Language(
        "vi",
        (
            "Xưởng gốm bên sông nhóm lò vào mỗi đêm rằm.",
            "Người thợ già khắc tên từng học trò dưới đáy bình.",
            "Buổi sáng, khói trắng bay qua hàng cau trước đình.",
            "Khách phương xa mua chén men xanh làm quà cưới.",
            "Mùa lũ, cả làng chuyển đất sét lên gác gỗ.",
            "Sang năm họ sẽ mở một lớp học cho trẻ nhỏ.",
        ),
        (
            "đèn lồng",
            "đồng cỏ",
            "bến cảng",
            "ấm nước",
            "vườn quả",
            "vĩ cầm",
            "cây cầu",
            "yên ngựa",
            "sông băng",
            "hạt tiêu",
        ),
        ("yên tĩnh", "màu đồng", "chật hẹp", "đóng băng", "cổ xưa", "rỗng ruột", "màu vàng"),
        ("Cảm xúc: {}", "Dịch sang tiếng Đức: {}", "Đặt tiêu đề về: {}"),
    ),
    Language(
        "pl",
        (
            "Stara wozownia przy parku służy teraz za pracownię zegarów.",
            "Mistrz naprawia w niej kukułki z całej okolicy.",
            "W środy uczniowie czyszczą łańcuchy i małe mosiężne koła.",
            "Na ścianie wisi wahadło, które waży więcej niż koń.",
            "Każdy gość może nakręcić jeden zegar i zrobić życzenie.",
            "Zimą piec kaflowy ogrzewa całą salę do późnej nocy.",
        ),
        ("latarnia", "łąka", "przystań", "czajnik", "sad", "skrzypce", "most", "siodło", "lodowiec", "pieprz"),
        ("cichy", "miedziany", "wąski", "zamarznięty", "dawny", "pusty", "żółty"),
        ("Wydźwięk: {}", "Przetłumacz na niemiecki: {}", "Podaj nagłówek o: {}"),
    ),
)
