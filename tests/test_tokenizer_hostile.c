/* Tokenizer files that contradict themselves or ask for what isn't there are refused with the place of the fault; texts
 * made to be slow are not. */
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/tokenizer.h"
#include "tests/support.h"

#define NORMALIZER                                                                                                     \
    "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"                   \
    "\"strip_accents\":null,\"lowercase\":true},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}"
#define MODEL(vocab)                                                                                                   \
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","                  \
    "\"max_input_chars_per_word\":100,\"vocab\":" vocab "}"
#define VOCAB            "{\"[UNK]\":0,\"a\":1,\"##a\":2,\"[CLS]\":3}"
#define FLAGS            "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"special\":false"
#define ADDED(id, text)  "{\"id\":" id ",\"content\":\"" text "\",\"normalized\":false," FLAGS "}"
#define NORMED(id, text) "{\"id\":" id ",\"content\":\"" text "\",\"normalized\":true," FLAGS "}"
#define WITH(part)       "{\"version\":\"1.0\"," NORMALIZER "," MODEL(VOCAB) "," part "}"
#define TEMPLATE(single, specials)                                                                                     \
    WITH("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":" single                                      \
         ",\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],"        \
         "\"special_tokens\":" specials "}")
#define SEQUENCE "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"
#define CLS      "{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}}"

static enum hone_status open_text(struct hone_tokenizer **out, const char *name, const char *text) {
    static char *folder;
    if (!folder) folder = hone_strdup(test_scratch(), "test");
    char *path = hone_path_join(folder, name);
    TEST_OK(hone_write_file(path, text, strlen(text)));
    enum hone_status status = hone_tokenizer_open(out, folder);
    TEST_OK(hone_file_exists(path) ? HONE_OK : HONE_DISK);
    hone_free(path);
    return status;
}

static void contradictions(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } files[] = {
        {"", "tokenizer.json"},
        {"[]", "tokenizer.json"},
        {"{}", "tokenizer.json: model is missing"},
        {"{\"version\":\"2.0\"}", "version isn't \"1.0\""},
        {"{\"version\":1}", "version isn't \"1.0\""},
        {WITH("\"model\":{}"), "tokenizer.json"}, /* a key given twice */
        {"{\"model\":{\"type\":\"Foo\"}}", "model: type \"Foo\" isn't supported, only BPE"},
        {"{\"model\":{\"type\":3}}", "model: type \"\" isn't supported"},
        {"{\"model\":{\"vocab\":{\"a\":0}}}", "model.unk_token is missing"},
        {"{\"model\":{\"vocab\":[3]}}", "model.vocab[0] isn't a list of a token and its score"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"##\":3},\"merges\":3}}",
         "model.merges is a number, expected a list"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"##\":3},\"merges\":[\"a b\",\"a\"]}}",
         "model.merges[1] isn't a pair"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"##\":3},\"merges\":[\"a b c\"]}}",
         "model.merges[0] isn't a pair"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"##\":3},\"merges\":[[\"a\",1]]}}",
         "model.merges[0] isn't a pair"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"##\":3},\"merges\":[[\"a\",\"c\"]]}}",
         "model.merges[0]: \"c\" isn't in the vocabulary"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"##\":3},\"merges\":[[\"b\",\"a\"]]}}",
         "model.merges[0]: \"ba\" isn't in the vocabulary"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"##\":3},\"merges\":[[\"a\",\"b\"]],"
         "\"continuing_subword_prefix\":\"##\"}}",
         "model.merges[0]: \"b\" is shorter than"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"##\":3},\"merges\":[[\"a\",\"##\"]],"
         "\"continuing_subword_prefix\":\"##\"}}",
         "model.merges[0]: \"a\" is one of its own halves"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"##\":3},\"merges\":[],\"unk_token\":\"u\"}"
         "}",
         "model.unk_token: \"u\" isn't in"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"##\":3},\"merges\":[],\"dropout\":0.1}}",
         "model.dropout isn't supported"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"##\":3},\"merges\":[],\"fuse_unk\":1}}",
         "model.fuse_unk is a number"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":{}}}", "model.vocab is an object, expected a list"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0],[\"b\"]]}}", "model.vocab[1] isn't a list"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]],\"unk_id\":1}}",
         "model.unk_id is 1, but vocab has 1 entries"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]],\"unk_id\":-1}}", "model.unk_id is -1"},
        {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a?)*b\"},\"behavior\":\"Isolated\","
         "\"invert\":false},\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}",
         "pre_tokenizer.pattern: \"(a?)*b\": repetition without end of what may be empty"},
        {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a*){2,}\"},\"behavior\":\"Isolated\","
         "\"invert\":false},\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}",
         "repetition without end of what may be empty"},
        {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?=.*b)a\"},\"behavior\":\"Isolated\","
         "\"invert\":false},\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}",
         "inside look-around"},
        {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a)\\\\1\"},\"behavior\":\"Isolated\","
         "\"invert\":false},\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}",
         "back references"},
        {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?>a)b\"},\"behavior\":\"Isolated\","
         "\"invert\":false},\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}",
         "atomic"},
        {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(ab)++c\"},\"behavior\":\"Isolated\","
         "\"invert\":"
         "false},\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}",
         "possessive"},
        {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a\"},\"behavior\":\"Isolated\",\"invert\":"
         "false},\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}",
         "pre_tokenizer.pattern: \"[a\": premature end"},
        {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a)\"},\"behavior\":\"Isolated\",\"invert\":"
         "false},\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}",
         "unmatched close parenthesis"},
        {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":\"a\",\"behavior\":\"Isolated\",\"invert\":false},"
         "\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}",
         "pre_tokenizer.pattern isn't {\"String\""},
        {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"isolated\",\"invert\":"
         "false},\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}",
         "pre_tokenizer.behavior isn't"},
        {"{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Whitespace\"},{\"type\":\"X\"}]},"
         "\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}",
         "pre_tokenizer.pretokenizers[1]: type \"X\""},
        {"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"ab\"},\"model\":{\"type\":\"BPE\",\"vocab\":{},"
         "\"merges\":[]}}",
         "pre_tokenizer.replacement is a string, expected one character"},
        {"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"add_prefix_space\":false},\"model\":{"
         "\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}",
         "prepend_scheme is always"},
        {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"A\"},\"model\":{\"type\":\"BPE\","
         "\"vocab\":{},\"merges\":[]}}",
         "precompiled_charsmap isn't base64"},
        {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAAAA==\"},\"model\":{\"type\":\"BPE\","
         "\"vocab\":{},\"merges\":[]}}",
         "can't hold its double array"},
        {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////"
         "w==\"},\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}",
         "can't hold its double array of 4294967295"},
        {"{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":{}},\"model\":{\"type\":\"BPE\",\"vocab\":{},"
         "\"merges\":[]}}",
         "normalizer.normalizers is an object"},
        {"{\"model\":3}", "model is a number, expected an object"},
        {"{\"model\":{\"type\":\"WordPiece\"}}", "model.unk_token is missing"},
        {"{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"a\",\"continuing_subword_prefix\":\"\","
         "\"max_input_chars_per_word\":-1,\"vocab\":{}}}",
         "model.max_input_chars_per_word is -1"},
        {"{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"a\",\"continuing_subword_prefix\":\"\","
         "\"max_input_chars_per_word\":\"9\",\"vocab\":{}}}",
         "model.max_input_chars_per_word is a string, expected an integer"},
        {"{" MODEL("{}") "}", "model.unk_token: \"[UNK]\" isn't in"},
        {"{" MODEL("{\"a\":0}") "}", "model.unk_token: \"[UNK]\" isn't in"},
        {"{" MODEL("[]") "}", "model.vocab is a list, expected an object"},
        {"{" MODEL("{\"[UNK]\":0,\"x\":0}") "}", "model.vocab[\"x\"]: id 0 is also that of \"[UNK]\""},
        {"{" MODEL("{\"[UNK]\":0,\"x\":-1}") "}", "model.vocab[\"x\"] is -1"},
        {"{" MODEL("{\"[UNK]\":0,\"x\":2147483648}") "}", "model.vocab[\"x\"] is 2147483648"},
        {"{" MODEL("{\"[UNK]\":0,\"x\":2147483647}") "}", "model.vocab[\"x\"] is 2147483647"},
        {"{" MODEL("{\"[UNK]\":0,\"x\":2147483646}") "}", "the largest id is 2147483646, with only 2 entries"},
        {"{" MODEL("{\"[UNK]\":0,\"x\":99999999999999999999}") "}", "model.vocab[\"x\"]"},
        {"{" MODEL("{\"[UNK]\":0,\"x\":1.0}") "}", "model.vocab[\"x\"] is a number, expected an id"},
        {"{" MODEL("{\"[UNK]\":0,\"x\\n\":null}") "}", "is null, expected an id"},
        {"{\"normalizer\":{\"type\":\"Precompiled\"}," MODEL(VOCAB) "}", "normalizer.precompiled_charsmap is missing"},
        {"{\"normalizer\":{\"type\":\"Foo\"}," MODEL(VOCAB) "}",
         "normalizer: type \"Foo\" isn't supported, only BertNormalizer"},
        {"{\"normalizer\":{\"type\":\"BertNormalizer\"}," MODEL(VOCAB) "}", "normalizer.clean_text is missing"},
        {"{\"normalizer\":{}," MODEL(VOCAB) "}", "normalizer.type is missing"},
        {"{\"normalizer\":\"bert\"," MODEL(VOCAB) "}", "normalizer is a string, expected an object"},
        {"{\"pre_tokenizer\":{\"type\":\"ByteLevel\"}," MODEL(VOCAB) "}", "pre_tokenizer.add_prefix_space is missing"},
        {WITH("\"decoder\":{\"type\":\"BPEDecoder\"}"), "decoder.suffix is missing"},
        {WITH("\"decoder\":{\"type\":\"WordPiece\",\"prefix\":1,\"cleanup\":true}"), "decoder.prefix is a number"},
        {WITH("\"post_processor\":{\"type\":\"Sequence\"}"), "post_processor.processors is missing"},
        {WITH("\"post_processor\":{\"type\":\"BertProcessing\"}"), "post_processor.sep is missing"},
        {WITH("\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"a\",1],\"cls\":[\"a\",9]}"),
         "post_processor: \"a\" has id 9, but there are only 4"},
        {TEMPLATE("[" SEQUENCE "," CLS "]", "{}"), "post_processor.single[1]: \"[CLS]\" isn't among"},
        {TEMPLATE("[" SEQUENCE "," CLS "]", "{\"[CLS]\":{\"id\":\"[CLS]\",\"ids\":[4],\"tokens\":[\"[CLS]\"]}}"),
         "post_processor: \"[CLS]\" has id 4, but there are only 4"},
        {TEMPLATE("[" SEQUENCE "," CLS "]", "{\"[CLS]\":{\"id\":\"[CLS]\",\"ids\":[3,3],\"tokens\":[\"[CLS]\"]}}"),
         "\"[CLS]\" has 2 ids but 1 tokens"},
        {TEMPLATE("[" SEQUENCE "," SEQUENCE "]", "{}"), "post_processor.single has sequence A 2 times"},
        {TEMPLATE("[]", "{}"), "post_processor.single has sequence A 0 times"},
        {TEMPLATE("[{\"Sequence\":{\"id\":\"B\",\"type_id\":0}}]", "{}"), "A 0 times and B 1 times"},
        {TEMPLATE("[{\"Sequence\":{\"id\":\"C\",\"type_id\":0}}]", "{}"), "single[0].id is \"C\""},
        {TEMPLATE("[{\"Sequence\":{\"id\":\"A\",\"type_id\":-1}}]", "{}"), "single[0].type_id is -1"},
        {TEMPLATE("[\"$A\"]", "{}"), "post_processor.single[0] is a string"},
        {WITH("\"added_tokens\":{}"), "added_tokens is an object, expected a list"},
        {WITH("\"added_tokens\":[3]"), "added_tokens[0] is a number"},
        {WITH("\"added_tokens\":[{\"id\":4,\"content\":\"x\"}]"), "added_tokens[0].single_word is missing"},
        {WITH("\"added_tokens\":[" ADDED("4", "") "]"), "added_tokens[0].content is empty"},
        {WITH("\"added_tokens\":[" ADDED("5", "x") "]"), "added_tokens[0] has id 5, but the next free one is 4"},
        {WITH("\"added_tokens\":[" ADDED("0", "x") "]"), "added_tokens[0] has id 0, but the next free one is 4"},
        {WITH("\"added_tokens\":[" ADDED("2", "a") "]"), "added_tokens[0] has id 2, but the vocabulary gives"},
        {WITH("\"added_tokens\":[" ADDED("\"4\"", "x") "]"), "added_tokens[0] is a string, expected an id"},
        {WITH("\"added_tokens\":[" ADDED("4", "x") "," ADDED("5", "x") "]"), "added_tokens[1]: the same content as"},
        {WITH("\"added_tokens\":[" NORMED("4", "\\u200b") "]"), "nothing is left of its content"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct hone_tokenizer *tokenizer;
        test_expect_status(open_text(&tokenizer, "tokenizer.json", files[i].text), HONE_BAD_INPUT, files[i].message);
        assert_null(tokenizer);
    }
}

static void gaps_are_allowed(void **state) {
    (void)state;
    struct hone_tokenizer *tokenizer;
    TEST_OK(open_text(&tokenizer, "tokenizer.json", "{" NORMALIZER "," MODEL("{\"[UNK]\":7,\"a\":100}") "}"));
    assert_int_equal(hone_tokenizer_size(tokenizer), 101);
    assert_null(hone_tokenizer_token(tokenizer, 8));
    assert_string_equal(hone_tokenizer_token(tokenizer, 100), "a");
    hone_tokenizer_free(tokenizer);
    test_expect_status(open_text(&tokenizer, "tokenizer.json",
                                 "{" NORMALIZER
                                 "," MODEL("{\"[UNK]\":7,\"a\":100}") ",\"added_tokens\":[" ADDED("101", "x") "]}"),
                       HONE_BAD_INPUT, "ids have gaps");
}

/* Each takes far less than a second where time grows with the length, and hours where it grows with its square. */
static void slow_texts(void **state) {
    (void)state;
    static const char *const files[] = {
        WITH("\"added_tokens\":[" ADDED("4", "<x>") "]"),
        /* Any length of word, so the model itself sees all of it. */
        "{" NORMALIZER
        ",\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","
        "\"max_input_chars_per_word\":1000000000,\"vocab\":" VOCAB "}}",
        WITH("\"added_tokens\":[{\"id\":4,\"content\":\" \",\"normalized\":false,\"single_word\":false,\"lstrip\":true,"
             "\"rstrip\":true,\"special\":false}]"),
        WITH("\"added_tokens\":[" NORMED("4", "aab") "]"),
    };
    static const char *const units[] = {"a", " ", "\xCC\x81", "\xCC\x81\xCC\xA7", "\xE4\xB8\xAD",
                                        ".", "[", "\xC3\xA9", "a\xCC\x81"};
    size_t n = (size_t)4 << 20;
    char *text = hone_alloc(n + 8, 1, "test");
    struct hone_encoding e = {0};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct hone_tokenizer *tokenizer;
        TEST_OK(open_text(&tokenizer, "tokenizer.json", files[i]));
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            size_t length = 0, unit = strlen(units[u]);
            for (; length + unit <= n; length += unit) memcpy(text + length, units[u], unit);
            double begin = hone_seconds();
            TEST_OK(hone_tokenizer_encode(&e, tokenizer, text, length, NULL, 0,
                                          &(struct hone_encode_options){.max_length = 128}));
            assert_true(hone_seconds() - begin < 30);
            assert_true(e.n <= 128);
        }
        hone_tokenizer_free(tokenizer);
    }
    hone_encoding_free(&e);
    hone_free(text);
}

static void vocab_files(void **state) {
    (void)state;
    const char *folder = test_scratch();
    char *vocab = hone_path_join(folder, "vocab.txt"), *config = hone_path_join(folder, "tokenizer_config.json");
    char *map = hone_path_join(folder, "special_tokens_map.json"), *added = hone_path_join(folder, "added_tokens.json");
    struct hone_tokenizer *tokenizer;
    struct hone_encoding e = {0};
#define WRITE(path, text) TEST_OK(hone_write_file(path, text, sizeof(text) - 1))
    test_expect_status(hone_tokenizer_open(&tokenizer, folder), HONE_BAD_INPUT, "neither tokenizer.json nor vocab.txt");
    WRITE(vocab, "");
    test_expect_status(hone_tokenizer_open(&tokenizer, folder), HONE_BAD_INPUT, "vocab.txt: the file is empty");
    WRITE(vocab, "[UNK]\n[SEP]\nb\xFFg\n");
    test_expect_status(hone_tokenizer_open(&tokenizer, folder), HONE_BAD_INPUT, "vocab.txt:3: byte 2: 0xff");
    WRITE(vocab, "[UNK]\n[SEP]\nb\0g\n");
    test_expect_status(hone_tokenizer_open(&tokenizer, folder), HONE_BAD_INPUT, "vocab.txt:3: byte 2: 0x00");
    WRITE(vocab, "[UNK]\n[SEP]\na\n");
    test_expect_status(hone_tokenizer_open(&tokenizer, folder), HONE_BAD_INPUT, "the cls_token \"[CLS]\" isn't in it");

    /* No configuration: lowercase. CRLF, a repeated token (the last counts), no newline at the end. */
    WRITE(vocab, "[UNK]\r\n[SEP]\r\na\r\na\r\n[CLS]\r\n\xC3\xA9");
    TEST_OK(hone_tokenizer_open(&tokenizer, folder));
    assert_int_equal(hone_tokenizer_size(tokenizer), 6);
    assert_null(hone_tokenizer_token(tokenizer, 2));
    assert_int_equal(hone_tokenizer_max_length(tokenizer), 0);
    TEST_OK(hone_tokenizer_encode(&e, tokenizer, "A", 1, NULL, 0, &(struct hone_encode_options){.add_special = true}));
    assert_int_equal(e.n, 3);
    assert_int_equal(e.ids[0], 4);
    assert_int_equal(e.ids[1], 3);
    assert_int_equal(e.ids[2], 1);
    hone_tokenizer_free(tokenizer);

    /* Special tokens that the vocabulary lacks come behind it. */
    WRITE(vocab, "[UNK]\n[SEP]\na\n[CLS]\n");
    TEST_OK(hone_tokenizer_open(&tokenizer, folder));
    assert_int_equal(hone_tokenizer_size(tokenizer), 6);
    assert_int_equal(hone_tokenizer_id(tokenizer, "[PAD]"), 4);
    assert_int_equal(hone_tokenizer_id(tokenizer, "[MASK]"), 5);
    hone_tokenizer_free(tokenizer);
    TEST_OK(hone_tokenizer_open_within(&tokenizer, folder, 5)); /* a model without a row for [MASK] */
    assert_int_equal(hone_tokenizer_size(tokenizer), 5);
    assert_int_equal(hone_tokenizer_id(tokenizer, "[MASK]"), -1);
    hone_tokenizer_free(tokenizer);

    WRITE(
        config,
        "{\"do_lower_case\": false, \"model_max_length\": 512, \"cls_token\": {\"content\": \"<s>\", \"lstrip\": true,"
        "\"rstrip\": false, \"single_word\": false, \"normalized\": false}, \"sep_token\": \"</s>\"}");
    WRITE(vocab, "[UNK]\n</s>\na\n<s>\n");
    TEST_OK(hone_tokenizer_open(&tokenizer, folder));
    assert_int_equal(hone_tokenizer_max_length(tokenizer), 512);
    TEST_OK(
        hone_tokenizer_encode(&e, tokenizer, "a  <s>A", 7, "a", 1, &(struct hone_encode_options){.add_special = true}));
    static const int32_t want[] = {3, 2, 3, 0, 1, 2, 1};
    assert_int_equal(e.n, 7);
    assert_memory_equal(e.ids, want, sizeof want);
    assert_int_equal(e.starts[2], 1);
    hone_tokenizer_free(tokenizer);

    WRITE(map, "{\"unk_token\": \"a\"}"); /* the map goes before the configuration */
    WRITE(config, "{\"unk_token\": \"?\", \"cls_token\": \"<s>\", \"sep_token\": \"</s>\","
                  "\"model_max_length\": 1000000000000000019884624838656}");
    TEST_OK(hone_tokenizer_open(&tokenizer, folder));
    assert_int_equal(hone_tokenizer_max_length(tokenizer), 0);
    TEST_OK(hone_tokenizer_encode(&e, tokenizer, "zz", 2, NULL, 0, &(struct hone_encode_options){.max_length = 0}));
    assert_int_equal(e.ids[0], 2);
    hone_tokenizer_free(tokenizer);

    WRITE(config,
          "{\"cls_token\": \"<s>\", \"sep_token\": \"</s>\", \"added_tokens_decoder\": {\"4\": {\"content\": \"new\","
          "\"lstrip\": false, \"rstrip\": false, \"single_word\": false, \"normalized\": false, \"special\": false}}}");
    TEST_OK(hone_tokenizer_open(&tokenizer, folder));
    assert_int_equal(hone_tokenizer_id(tokenizer, "new"), 4);
    assert_int_equal(hone_tokenizer_size(tokenizer), 7);
    hone_tokenizer_free(tokenizer);
    WRITE(config,
          "{\"cls_token\": \"<s>\", \"sep_token\": \"</s>\", \"added_tokens_decoder\": {\"9\": {\"content\": \"new\","
          "\"lstrip\": false, \"rstrip\": false, \"single_word\": false, \"normalized\": false, \"special\": false}}}");
    test_expect_status(hone_tokenizer_open(&tokenizer, folder), HONE_BAD_INPUT, "added_tokens_decoder[\"9\"] has id 9");
    WRITE(config, "{\"do_lower_case\": 1, \"cls_token\": \"<s>\", \"sep_token\": \"</s>\"}");
    test_expect_status(hone_tokenizer_open(&tokenizer, folder), HONE_BAD_INPUT, "do_lower_case");
    WRITE(config, "{\"model_max_length\": -1, \"cls_token\": \"<s>\", \"sep_token\": \"</s>\"}");
    test_expect_status(hone_tokenizer_open(&tokenizer, folder), HONE_BAD_INPUT, "model_max_length");
    /* What is only listed stands in normalised text, what is named too is a special token. */
    WRITE(config,
          "{\"do_lower_case\": true, \"cls_token\": \"<s>\", \"sep_token\": \"</s>\", \"unk_token\": \"[UNK]\"}");
    WRITE(map, "{\"pad_token\": \"[P]\", \"mask_token\": {\"content\": \"<M>\", \"lstrip\": true, \"rstrip\": false,"
               "\"single_word\": false, \"normalized\": false}}");
    WRITE(added, "{\"New\": 4, \"[P]\": 5}");
    TEST_OK(hone_tokenizer_open(&tokenizer, folder));
    TEST_OK(hone_tokenizer_encode(&e, tokenizer, "nEW [P] [p] <M>", 15, NULL, 0,
                                  &(struct hone_encode_options){.max_length = 0}));
    static const int32_t listed[] = {4, 5, 0, 0, 0, 6};
    assert_int_equal(e.n, 6);
    assert_memory_equal(e.ids, listed, sizeof listed);
    assert_int_equal(e.starts[5], 11);
    assert_false(hone_tokenizer_special(tokenizer, 4));
    assert_true(hone_tokenizer_special(tokenizer, 5) && hone_tokenizer_special(tokenizer, 6));
    hone_tokenizer_free(tokenizer);
    WRITE(added, "{\"x\": 9}");
    test_expect_status(hone_tokenizer_open(&tokenizer, folder), HONE_BAD_INPUT,
                       "added_tokens.json: the token of id [\"9\"] has id 9, but the next free one is 4");
    WRITE(added, "{\"x\": \"4\"}");
    test_expect_status(hone_tokenizer_open(&tokenizer, folder), HONE_BAD_INPUT, "added_tokens.json: \"x\" has no id");
    hone_encoding_free(&e);
    hone_free(vocab);
    hone_free(config);
    hone_free(map);
    hone_free(added);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(contradictions), cmocka_unit_test(gaps_are_allowed),
                                       cmocka_unit_test(slow_texts), cmocka_unit_test(vocab_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
