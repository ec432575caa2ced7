"""The words of the rule for unknown fields: lists, and nothing but lists. A word between white space is one entry."""


def _of(text: str) -> frozenset[str]:
    return frozenset(text.split())


VERDICT_STEMS = _of("""
    rating ktotag ranking score scoring label reward feedback thumb verdict judg accept reject approv declin dismiss
    prefer quality review annotat evaluat assess apprais grading weight dislike upvote downvote helpful useful
    useless satisf sentiment opinion critique critic complain comment moderat toxic harmful unsafe safety hallucinat
    correctness incorrect accura truthful faithful relevan coheren factual valid quarantin discard exclud skip
    include favorit favourit bookmark emoji stars signal outcome success failure failed error mistake wrong invalid
    spam report disput confiden certain agreement likert csat nps regenerat retract withdraw bewert urteil korrekt
    richtig falsch daumen meinung beurteil calific valorac valorá puntu opini evalua évalu avis jugement valut
    punteg giudiz avalia оцен рейтинг отзыв 评分 评价 评级 评估 反馈 标签 评论 点赞 評価 評点 評分 評價
    フィードバック ラベル スコア 평가 점수 별점 피드백 تقييم דירוג
""")
"""Parts of names of verdicts, anywhere in a name."""
CORRECTION_STEMS = _of("""
    correct expect golden target reference ideal edited revis rewrit rewrote fixed improv better worse chosen answer
    completion response output assistant suggest proposed accepted alternative desired wanted groundtruth replac
    amend updated_text polish final human_ korrek verbess erwart corrig correc attendu esperad corrett attes исправ
    ожида 修正 改正 期望 参考 正解 訂正 模範 수정 정답
""")
"""Parts of names of other answers, better or worse."""
CONTEXT_STEMS = _of("""
    input context histor document passage image picture photo audio video attach thinking reasoning thought
    rationale article transcript paragraph snippet excerpt evidence background knowledge retriev instruction
    question prompt message conversation dialog premise hypothes schema persona memory citation screenshot
    observation scratchpad analysis sentence headline appendix preamble kontext verlauf frage anhang bild contexte
    contexto pregunta imagen контекст вопрос 上下文 背景 历史 图片 文档 問題 质问 質問 画像 文脈 履歴 문맥 질문
    이미지
""")
"""Parts of names of what was asked."""
VERDICT_WORDS = _of("""
    rate rates rated grade grades reaction reactions grounded groundedness fluent fluency rank ranks vote votes
    voted voting like likes liked good bad ok okay fine poor flag flags flagged kto dpo loss mask masked up down win
    wins winner won lose loser lost pass passed passes fail fails keep kept drop dropped use used usable train
    trainable trained training learn best worst mark marks marked star note notes nota stimme right correct true
    false yes no yesno bool polarity class tier level priority points point result results decision status state pos
    neg positive negative advantage return value utility metric metrics eval evals check checks checked verified
    verify confirmed confirm endorsed promoted published hidden deleted removed archived resolved closed issue
    issues bug severity risk qa qc gut schlecht bon mauvais bueno malo
""")
"""Whole words in names of verdicts."""
CORRECTION_WORDS = _of("""
    gold truth edit edits fix fixes solution solutions reply replies say said should instead draft y pred prediction
    predictions predicted generated generation generations candidate candidates reponse réponse antwort respuesta
""")
"""Whole words in names of other answers."""
CONTEXT_WORDS = _of("""
    docs doc img imgs pic pics file files tool tools function functions thoughts cot system text texts body content
    contents story table tables code chunk chunks source_text query queries turns chat chats previous prior parent
    quote quoted quotes examples example shots pdf html markdown media mm data_uri base64 ask asked rows cells
    columns json xml csv yaml sql ddl variable variables slot slots args arguments placeholders material facts hint
    hints choice choices shot prev premises clause
""")
"""Whole words in names of what was asked."""
SAFE_ENDINGS = _of("""
    id ids uuid guid url uri urls link href hash sha sha1 sha256 md5 digest checksum fingerprint model version
    tokens oid ms latency duration seconds secs cost price usd at date time timestamp ts
""")
"""Last words of names that say what a value is, whatever it is of: `prompt_tokens`, `feedback_id`, `rated_at`."""
HARMLESS = _of("""
    eval_count prompt_eval_count eval_duration prompt_eval_duration eval_rate status_code http_status service_tier
    top_p top_k min_p typical_p tfs_z mirostat do_sample best_of num_predict logit_bias completion_tokens_details
    prompt_tokens_details input_tokens_details output_tokens_details file_name
""")
"""Whole names of what Ollama and other servers give beside an answer, and the like."""
PEOPLE = _of("annotator rater reviewer labeler labeller evaluator assessor grader moderator")
"""Words for who judged; a name of such words and those in PERSONAL is that of a person."""
PERSONAL = _of("name user username human email handle login")
"""Words that may stand beside them."""
UNITS = _of("tokens ms latency duration seconds secs")
"""Last words of names of measurements, whatever else is in the name: `accepted_prediction_tokens`."""
KINDS = _of("type kind format lang language category by")
"""Last words of names that say of what kind something is that was asked or answered: `question_type`."""
SIZES = _of("""
    length len chars characters words bytes size count counts index idx number num
""")
"""Last words of names that say how much or which of something that was asked or answered: `answer_length`."""
MEASURES = _of("""
    id ids uuid turn index idx number num nr no token tokens latency duration elapsed ms seconds secs sec minutes
    hours count counts temperature temp topp topk seed ctx length len chars words bytes size version cost price usd
    eur timeout attempt attempts retry retries position offset order line row column col page port epoch user
    session thread request run batch worker shard trace span customer account tenant logprobs logprob ttft tps
    penalty cached stream streamed streaming done year month day hour width height rev revision build
""")
"""Words of names whose value is a number that judges nothing."""
NAMES = _of("""
    model engine provider backend api sdk user username author person annotator rater reviewer lang language locale
    source dataset corpus origin app application client platform device session tenant org organisation organization
    team env environment host hostname server region country city timezone tz currency service endpoint topic
    category domain type kind task name email title subject reason object ip agent browser os license licence commit
    branch run experiment batch worker request trace span thread url uri link path filename ua product project
    workspace channel section genre style tone difficulty tag tags creator owner tokenizer finetune adapter
    quantization format mime intent department hostname node pod cluster zone feature variant release codename theme
    layout screen view component widget plugin integration referrer referer campaign group role company plan school
    course lesson field discipline specialty industry sector brand store shop seller vendor supplier journal
    publisher newspaper outlet feed magazine publication byline desk editor bot flow stage phase mode framework
    library runtime gpu cpu driver arch architecture quant precision dtype encoding charset collection archive
    database db bucket queue contributor llm checkpoint generator writer instance site domain subdomain place county
    state_code continent gender program programme keyword keywords subtopic subcategory slug alias handle nickname
    family size_class stop logger pipeline job cron script notebook machine computer phone
""")
"""Words of names whose value is a name."""
TIMES = _of("""
    at date time timestamp ts datetime created updated modified created_on when
""")
"""Words of names whose value is a time."""
SPLITS = _of("""
    split splits fold subset partition
""")
"""Words of names that say what part of a data set a record is of."""
VERDICTS = _of("""
    good bad great poor awful terrible excellent perfect okay wrong right correct incorrect yes no y n up down
    thumbs like liked dislike disliked accept accepted reject rejected approve approved disapproved denied declined
    pass passed fail failed failure success positive negative neutral pos neg true false t f useful useless helpful
    unhelpful winner loser win won lose lost tie better worse best worst spam toxic safe unsafe harmful harmless
    nonsense garbage hallucination hallucinated inaccurate accurate irrelevant relevant satisfied dissatisfied happy
    unhappy sad angry love loved hate hated verified unverified valid invalid keep discard discarded drop dropped
    skip ignore retracted withdrawn flagged fixed broken upvote upvoted downvote downvoted chosen preferred mediocre
    fair horrible unacceptable acceptable gut schlecht falsch richtig ja nein bon mauvais vrai faux oui non bueno
    buena malo mala sí si verdadero falso buono cattivo bom ruim sim não да нет хорошо плохо верно неверно 好 坏 差
    对 错 是 否 良い 悪い はい いいえ 正解 不正解 좋음 나쁨
""")
"""Values that are verdicts."""
JUDGING = _of("""
    deny disapprove decline refuse refused rejection refusal rubbish trash garbage crap junk meh nope nah yep yeah yay
    nay lousy dreadful abysmal atrocious appalling stupid dumb ridiculous embarrassing disgusting awesome amazing
    fantastic superb outstanding decent lame weak sloppy unusable usable suboptimal subpar substandard unsatisfactory
    satisfactory inadequate adequate insufficient sufficient incomplete misleading offensive untrue fake fabricated
    bogus nonsensical bullshit sucks worthless pointless disappointing disappointed unprofessional unhelpfully unclear
    confusing incoherent repetitive hallucinating hallucinates error erroneous mistaken mistake faulty flawed failing
    blocked banned censored redo rework revise quarantined unsure offtopic inappropriate unreliable untrustworthy
    unfaithful ungrounded unsupported noncompliant thumbsup thumbsdown schrott müll mies mangelhaft ungenügend
    abgelehnt nutzlos hilfreich furchtbar schrecklich fehlerhaft ungültig unbrauchbar nul nulle incorrecte faute
    refusé refusée rejeté rejetée inutile incorrecto incorrecta correcto correcta rechazado rechazada pésimo pésima
    errado errada correto correta péssimo péssima ótimo ótima pessimo pessima ottimo ottima sbagliato sbagliata giusto
    giusta errato errata rifiutato плохой плохая хороший хорошая отлично ужасно отклонено неправильно правильно 差评
    好评 错误 正确 拒绝 不好 很差 垃圾 不行 最悪 拒否 却下 ダメ だめ 不可 틀림 거부 나쁘다 좋다 سيء جيد خطأ صحيح رفض
""")
"""More values that are verdicts, where nothing but them is said."""
MILD = _of("fair safe neutral")
"""Values that are verdicts only where the name lets expect one: a style may be neutral, a mode safe."""
AROUND = _of("""
    very really so too quite pretty rather a an the is it this that was not answer answers response responses output
    reply result results completion generation text quality low high poor thumbs thumb by user users reviewer reviewers
    annotator human editor as marked been needs need needed do don dont t of all at more work much extremely
    absolutely completely totally bit little somewhat never improvement fixing review use train on for here mostly
    partly partially highly just only s isn isnt simply plain sehr nicht antwort ist très pas muy
""")
"""Words that may stand around such a value: `thumbs down`, `not a good answer`, `needs work`."""
SCORES = _of("rating rated score scored star stars thumb thumbs grade reward")
"""Words that make a number behind them a verdict: `rating: 1`."""
PHRASES = _of("""
    off_topic out_of_scope made_up totally_made_up never_use never_used must_not_be_used worst_ever best_ever zero_stars
    no_stars one_star two_stars three_stars four_stars five_stars too_long too_short way_too_long way_too_short
    not_for_training not_trainable do_not_learn
""")
"""Verdicts of several words, none of which is one."""
TOLD_TO_IMPROVE = _of("improvement fixing work rework revision correction editing")
"""What an answer `needs` that is not good."""
NEGATIVE = _of("""
    rejected retracted deleted removed withdrawn flagged disliked downvoted discarded failed reported quarantined
    declined dismissed disapproved hidden excluded
""")
"""Words of names whose value, be it a time, says that an answer was found bad: `rejected_at`."""
SWITCHES = _of("stream streamed streaming done cached logprobs sample")
"""Words of names of measurements that are true or false."""
LISTS = _of("tag tags keywords topics categories types kinds flags")
"""Last words of names whose text may be several values."""
YES_OR_NO = _of("true false yes no y n t f")
"""Values of switches, which measurements may have."""
ANYTHING = _of("""
    type kind category subcategory tag tags reason tone bucket group stage phase mode queue flow
""")
"""Last words of names whose value may be anything, a verdict too."""
PLACES = _of("""
    lang language languages locale country region county place currency timezone tz
""")
"""Words of names whose value may be a code of two letters that is a word elsewhere: `no` is Norwegian."""
GROUPS = _of("""
    variant section group experiment arm gender sex team campaign field license licence class column
""")
"""Words of names whose value may be a single letter that is no grade."""
FAULTS = _of("""
    bad wrong incorrect error errors mistake mistakes fail fails failed failing failure failures invalid toxic toxicity
    spam harmful unsafe hallucination hallucinations hallucinated dislike disliked dislikes down downvote downvoted
    downvotes reject rejected rejection rejects poor worse worst useless unhelpful issues bugs flagged reported discard
    discarded exclude excluded skip skipped deleted removed retracted withdrawn declined dismissed irrelevant inaccurate
    inappropriate not no never without lost loser loses schlecht falsch malo mauvais dispreferred losing negative
    complaint complaints violation violations
""")
"""Words of names whose value says how bad an answer is, or that it is: true, or a high number, is no praise there."""
WRAPPERS = _of("text texts content contents body value")
"""Names of what an object is made for: what it is is said by the name of the object."""
