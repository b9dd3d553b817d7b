/* Reads an expression into a tree, and writes the tree as a program. What has no place here is refused by name: nothing is
 * passed over. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/normalized.h"
#include "data/pattern_parts.h"

#define ENDLESS    (-1)
#define MOST_DEPTH 64   /* of groups */
#define MOST_NODES 4096 /* of the tree, and steps of the program */
#define MOST_MARKS 64   /* a bit each for every byte of a text */
#define MOST_WAYS  1000 /* through look-around, and characters that it looks at */
#define TOO_LARGE  "it is too large"

enum node_kind { EMPTY, PIECE, BOTH, EITHER, REPEAT };
struct node {
    enum node_kind kind;
    enum hone_pattern_kind step; /* PIECE */
    int32_t piece, left, right;  /* REPEAT: left is what repeats */
    int32_t least, most;
    bool lazy, possessive;
    bool may_be_empty;
    double ways, length; /* most ways through it, most characters that it takes */
};
struct parser {
    struct hone_pattern_program *out;
    const char *at;
    const char *reason; /* why the expression isn't supported; NULL so far */
    struct node *nodes;
    size_t nodes_n, nodes_capacity;
    int depth;
    int32_t literal; /* piece of the character right before, that case may join with the next one; -1: none */
};

static void refuse(struct parser *p, const char *reason) {
    if (!p->reason) p->reason = reason;
}

static int32_t add_node(struct parser *p, struct node node) {
    if (p->nodes_n == MOST_NODES) {
        refuse(p, TOO_LARGE);
        return 0;
    }
    hone_reserve(&p->nodes, &p->nodes_capacity, p->nodes_n + 1, sizeof node, "an expression");
    p->nodes[p->nodes_n] = node;
    return (int32_t)p->nodes_n++;
}

static int32_t add_empty(struct parser *p) {
    return add_node(p, (struct node){.kind = EMPTY, .may_be_empty = true, .ways = 1});
}

static int32_t add_pair(struct parser *p, enum node_kind kind, int32_t left, int32_t right) {
    struct node a = p->nodes[left], b = p->nodes[right];
    if (kind == BOTH && a.kind == EMPTY) return right;
    struct node node = {.kind = kind, .left = left, .right = right};
    node.may_be_empty = kind == BOTH ? a.may_be_empty && b.may_be_empty : a.may_be_empty || b.may_be_empty;
    node.ways = kind == BOTH ? a.ways * b.ways : a.ways + b.ways;
    node.length = kind == BOTH ? a.length + b.length : fmax(a.length, b.length);
    return add_node(p, node);
}

/* The piece that text[n] stands for; each is kept once. -1: Oniguruma doesn't take it by itself. */
static int32_t add_piece(struct parser *p, const char *text, size_t n, struct hone_pattern_options options) {
    struct hone_pattern_program *out = p->out;
    char *whole = hone_pattern_piece_text(text, n, options);
    for (size_t i = 0; i < out->pieces_n; i++) {
        if (strcmp(out->pieces[i]->text, whole) != 0) continue;
        hone_free(whole);
        return (int32_t)i;
    }
    struct hone_pattern_piece *piece = hone_pattern_piece_create(whole, options.folds);
    if (!piece) {
        refuse(p, "a part of it has no meaning by itself");
        return -1;
    }
    hone_reserve(&out->pieces, &out->pieces_capacity, out->pieces_n + 1, sizeof piece, "an expression");
    out->pieces[out->pieces_n] = piece;
    return (int32_t)out->pieces_n++;
}

static int32_t add_leaf(struct parser *p, enum hone_pattern_kind step, int32_t piece, double length) {
    return add_node(
        p, (struct node){
               .kind = PIECE, .step = step, .piece = piece, .may_be_empty = length == 0, .ways = 1, .length = length});
}

/* A class, or else two characters, or else three that case makes equal to one of it: in the order that Oniguruma has. */
static int32_t add_several(struct parser *p, int32_t piece, struct hone_pattern_options options) {
    int32_t node = add_leaf(p, HONE_PATTERN_CHARACTER, piece, 1);
    for (int letters = 2; letters <= 3; letters++) {
        char *text = hone_pattern_piece_several(p->out->pieces[piece], letters);
        if (text) {
            int32_t several = add_piece(p, text, strlen(text), options);
            node = add_pair(p, EITHER, node, add_leaf(p, HONE_PATTERN_TEXT, several, letters));
        }
        hone_free(text);
    }
    return node;
}

/* Bytes of {n}, {n,}, {,m} or {n,m}, 0 if there is none: then the brace stands for itself. */
static size_t interval(const char *at, int32_t *least, int32_t *most) {
    size_t low = strspn(at + 1, "0123456789"), n = 1 + low, high = low;
    *least = low ? (int32_t)strtol(at + 1, NULL, 10) : 0;
    *most = *least;
    if (at[n] == ',') {
        high = strspn(at + ++n, "0123456789");
        *most = high ? (int32_t)strtol(at + n, NULL, 10) : ENDLESS;
        n += high;
    }
    return at[n] == '}' && low + high > 0 ? n + 1 : 0;
}

struct quantifier {
    int32_t least, most;
    bool lazy, possessive;
};

/* Reads one, if one stands here. */
static bool take_quantifier(struct parser *p, struct quantifier *out) {
    *out = (struct quantifier){0, ENDLESS, false, false};
    bool braces = *p->at == '{';
    size_t n = braces ? interval(p->at, &out->least, &out->most) : *p->at && strchr("*+?", *p->at) ? 1 : 0;
    if (n == 0) return false;
    if (*p->at == '+') out->least = 1;
    if (*p->at == '?') out->most = 1;
    p->at += n;
    out->lazy = *p->at == '?';
    out->possessive = *p->at == '+' && !braces; /* behind braces it is a repetition of its own */
    p->at += out->lazy || out->possessive;
    if (out->most != ENDLESS && out->least > out->most)
        refuse(p, "a repetition with its bounds the other way round isn't supported");
    if (braces && out->lazy && out->least == out->most) refuse(p, "{n}? isn't supported");
    return true;
}

/* Most ways through up to `most` times what has `ways`. */
static double repeated_ways(double ways, int32_t most) {
    if (most == ENDLESS) return INFINITY;
    double sum = 1, power = 1;
    for (int32_t i = 0; i < most && sum < 2 * MOST_WAYS; i++) sum += power *= ways;
    return sum;
}

static int32_t repeat(struct parser *p, int32_t what, struct quantifier q) {
    struct node node = p->nodes[what];
    if (q.most == 0) return add_empty(p);
    bool plain = !q.lazy && !q.possessive && !node.lazy && !node.possessive;
    if (node.kind == REPEAT && !plain)
        refuse(p, "a repetition of a repetition, one of them lazy or possessive, isn't supported");
    if (node.kind == PIECE && node.length == 0) refuse(p, "repetition of what takes no character isn't supported");
    if (q.possessive && (node.kind != PIECE || node.step != HONE_PATTERN_CHARACTER))
        refuse(p, "possessive repetition of more than one character isn't supported");
    if (q.most == ENDLESS && node.may_be_empty)
        refuse(p, "repetition without end of what may be empty isn't supported");
    return add_node(p, (struct node){.kind = REPEAT,
                                     .left = what,
                                     .least = q.least,
                                     .most = q.most,
                                     .lazy = q.lazy,
                                     .possessive = q.possessive,
                                     .may_be_empty = q.least == 0 || node.may_be_empty,
                                     .ways = repeated_ways(node.ways, q.most),
                                     .length = q.most == ENDLESS ? INFINITY : q.most * node.length});
}

/* Bytes of an escape sequence; *class: it is one of a class of characters, *assertion: of no character. */
static size_t escape(struct parser *p, bool *class, bool *assertion) {
    const char *at = p->at;
    char c = at[1];
    *class = c && strchr("wWdDsShHpP", c);
    *assertion = c && strchr("bBAzZ", c);
    if (c && strchr("pPx", c) && at[2] == '{' && strchr(at, '}')) return (size_t)(strchr(at, '}') - at) + 1;
    if (c && strchr("xu", c)) {
        size_t digits = strspn(at + 2, "0123456789abcdefABCDEF"), most = c == 'x' ? 2 : 4;
        return 2 + (digits < most ? digits : most);
    }
    if (c && strchr("pP", c))
        refuse(p, "\\p without braces isn't supported");
    else if (*class || *assertion || (c && strchr("ntrfvae", c)))
        return 2;
    else if (c >= '1' && c <= '9')
        refuse(p, "back references aren't supported");
    else if (c && strchr("kg", c))
        refuse(p, "references to groups aren't supported");
    else if (c && strchr("XRyYKGNO", c))
        refuse(p, "\\X, \\R, \\y, \\Y, \\K, \\G, \\N and \\O aren't supported");
    else if (!c || (c & 0x80) || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
        refuse(p, "an escape sequence in it isn't supported");
    return 2;
}

static size_t class_bytes(const char *at) {
    size_t n = 0;
    for (int depth = 0; at[n];) {
        if (at[n] == '\\' && at[n + 1])
            n++;
        else if (at[n] == '[')
            depth++;
        else if (at[n] == ']')
            depth--;
        n++;
        if (depth == 0) break;
    }
    return n;
}

/* Whether a class in which case doesn't matter is one that this file understands: one of a single character is that
 * character to Oniguruma, which may join with its neighbours. */
static bool is_plain_class(const char *at, size_t n) {
    for (size_t i = 1; i + 1 < n; i++)
        if ((at[i] == '[' && at[i + 1] != ':') || (at[i] == '&' && at[i + 1] == '&') ||
            (at[i] == '\\' && strchr("xu", at[i + 1])))
            return false;
    return n > 2 + hone_character_bytes(at[1]);
}

static bool quantifier_follows(const char *at) {
    int32_t least, most;
    return (*at && strchr("*+?", *at)) || (*at == '{' && interval(at, &least, &most));
}

/* A character that stands for itself: bytes of it, or 0. */
static size_t literal_bytes(struct parser *p, const char *at) {
    if (*at == 0 || strchr("[(|)*+?.^$", *at)) return 0;
    if (*at != '\\') return hone_character_bytes(*at);
    const char *kept = p->at;
    bool class, assertion;
    p->at = at;
    size_t n = escape(p, &class, &assertion);
    p->at = kept;
    return class || assertion ? 0 : n;
}

/* Characters that stand for themselves, until one that repeats. Where case doesn't matter and two of them may be equal to
 * one other, all of them are left to Oniguruma: what they take has one length at any place. */
static int32_t parse_literals(struct parser *p, struct hone_pattern_options options) {
    const char *begin = p->at;
    int32_t node = add_empty(p), before = p->literal;
    bool together = false;
    for (size_t n; !p->reason && (n = literal_bytes(p, p->at)) > 0; p->at += n) {
        bool repeats = quantifier_follows(p->at + n);
        if (repeats && p->at > begin) break;
        if (options.folds && *p->at == '\\' && strchr("xu", p->at[1]))
            refuse(p, "\\x and \\u where case doesn't matter aren't supported");
        int32_t piece = add_piece(p, p->at, n, options);
        if (piece < 0) break;
        struct hone_pattern_piece **pieces = p->out->pieces;
        bool several = options.folds && hone_pattern_piece_takes_several(pieces[piece]);
        bool joins =
            options.folds && p->literal >= 0 && hone_pattern_pieces_may_join(pieces[p->literal], pieces[piece]);
        if ((repeats && several) || (joins && p->at == begin && before >= 0))
            refuse(p, "characters that case makes equal to several, inside a repetition or a group, aren't supported");
        together |= several || joins;
        node = add_pair(p, BOTH, node, add_leaf(p, HONE_PATTERN_CHARACTER, piece, 1));
        p->literal = piece;
        if (!repeats) continue;
        p->at += n;
        return node;
    }
    if (!together || p->reason) return node;
    int32_t piece = add_piece(p, begin, (size_t)(p->at - begin), options);
    return add_leaf(p, HONE_PATTERN_TEXT, piece, 3.0 * (double)(p->at - begin));
}

static int32_t parse_either(struct parser *p, struct hone_pattern_options options);

static void expect_end_of_group(struct parser *p) {
    if (*p->at == ')')
        p->at++;
    else
        refuse(p, "a group has no end");
    p->depth--;
}

/* What look-around holds is run by Oniguruma, from each place anew: it has to be short. */
static int32_t parse_look_around(struct parser *p, size_t mark, struct hone_pattern_options options) {
    const char *begin = p->at;
    bool behind = begin[2] == '<', negated = begin[mark - 1] == '!';
    p->at += mark;
    p->literal = -1;
    int32_t inside = parse_either(p, options);
    struct node body = p->nodes[inside];
    p->literal = -1;
    expect_end_of_group(p);
    if (body.length == INFINITY) refuse(p, "repetition without end inside look-around isn't supported");
    if (body.length > MOST_WAYS || body.ways > MOST_WAYS) refuse(p, "its look-around is too large");
    if (p->reason) return 0;
    if (!behind && body.kind == PIECE && body.step == HONE_PATTERN_CHARACTER)
        return add_leaf(p, negated ? HONE_PATTERN_NOT_AHEAD : HONE_PATTERN_AHEAD, body.piece, 0);
    return add_leaf(p, HONE_PATTERN_ASSERT, add_piece(p, begin, (size_t)(p->at - begin), options), 0);
}

/* Options like i-m, up to what ends them. */
static struct hone_pattern_options parse_options(struct parser *p, struct hone_pattern_options options) {
    bool on = true;
    for (; *p->at && *p->at != ':' && *p->at != ')'; p->at++) {
        if (*p->at == '-')
            on = false;
        else if (*p->at == 'i')
            options.folds = on;
        else if (*p->at == 'm')
            options.dot_takes_line_ends = on;
        else
            refuse(p, "options other than i and m, callouts, comments, atomic, absent and conditional groups aren't "
                      "supported");
        if (p->reason) break;
    }
    return options;
}

/* Behind the bracket that opens it. */
static int32_t parse_group(struct parser *p, struct hone_pattern_options options) {
    const char *at = p->at;
    if (++p->depth > MOST_DEPTH) refuse(p, "its groups are nested too deeply");
    if (at[1] == '*') refuse(p, "callouts aren't supported");
    if (p->reason) return 0;
    if (at[1] == '?') {
        size_t mark = at[2] == '<' ? 4 : 3;
        if (at[mark - 1] == '=' || at[mark - 1] == '!') return parse_look_around(p, mark, options);
        p->at += 2;
        if (*p->at == '<') {
            p->at += strcspn(p->at, ">") + 1;
        } else {
            options = parse_options(p, options);
            /* Options alone hold up to the end of the group around them, across its alternatives. */
            if (*p->at++ == ')' && !p->reason) return parse_either(p, options);
        }
    } else {
        p->at++;
    }
    if (p->reason) return 0;
    int32_t node = parse_either(p, options);
    expect_end_of_group(p);
    return node;
}

static int32_t parse_one(struct parser *p, struct hone_pattern_options options) {
    bool class = false, assertion = false;
    size_t n = 1;
    if (*p->at == '(') return parse_group(p, options);
    if (literal_bytes(p, p->at)) return parse_literals(p, options);
    if (*p->at == '\\')
        n = escape(p, &class, &assertion);
    else if (*p->at == '[')
        n = class_bytes(p->at);
    else if (*p->at == '^' || *p->at == '$')
        assertion = true;
    else if (*p->at != '.')
        refuse(p, "a repetition of nothing isn't supported");
    if (*p->at == '[' && options.folds && !is_plain_class(p->at, n))
        refuse(p, "classes of one character, and nested ones, where case doesn't matter aren't supported");
    if (p->reason) return 0;
    int32_t piece = add_piece(p, p->at, n, options);
    bool bracketed = *p->at == '[';
    p->at += n;
    p->literal = -1;
    if (bracketed && piece >= 0 && hone_pattern_piece_takes_several(p->out->pieces[piece]))
        return add_several(p, piece, options);
    return add_leaf(p, assertion ? HONE_PATTERN_ASSERT : HONE_PATTERN_CHARACTER, piece, assertion ? 0 : 1);
}

static int32_t parse_sequence(struct parser *p, struct hone_pattern_options options) {
    int32_t node = add_empty(p);
    while (!p->reason && *p->at && *p->at != '|' && *p->at != ')') {
        int32_t one = parse_one(p, options);
        struct quantifier quantifier;
        while (!p->reason && take_quantifier(p, &quantifier)) one = repeat(p, one, quantifier);
        if (!p->reason) node = add_pair(p, BOTH, node, one);
    }
    return node;
}

static int32_t parse_either(struct parser *p, struct hone_pattern_options options) {
    int32_t node = parse_sequence(p, options);
    if (*p->at != '|' || p->reason) return node;
    p->at++;
    p->literal = -1;
    int32_t other = parse_either(p, options);
    p->literal = -1;
    return p->reason ? node : add_pair(p, EITHER, node, other);
}

static int32_t add_step(struct parser *p, struct hone_pattern_step step) {
    struct hone_pattern_program *out = p->out;
    if (out->steps_n == MOST_NODES) {
        refuse(p, TOO_LARGE);
        return 0;
    }
    hone_reserve(&out->steps, &out->steps_capacity, out->steps_n + 1, sizeof step, "an expression");
    step.mark = -1;
    out->steps[out->steps_n] = step;
    return (int32_t)out->steps_n++;
}

static void write_node(struct parser *p, int32_t which);

static void write_repeat(struct parser *p, const struct node *node) {
    const struct node *what = &p->nodes[node->left];
    bool one = what->kind == PIECE && what->step == HONE_PATTERN_CHARACTER;
    for (int32_t i = 0; i < node->least && !p->reason; i++) write_node(p, node->left);
    if (node->possessive || (one && node->most == ENDLESS && !node->lazy)) {
        add_step(p, (struct hone_pattern_step){.kind = node->possessive ? HONE_PATTERN_ALL : HONE_PATTERN_MANY,
                                               .piece = what->piece,
                                               .most = node->most == ENDLESS ? ENDLESS : node->most - node->least});
        return;
    }
    const struct hone_pattern_step split = {.kind = HONE_PATTERN_SPLIT, .piece = -1, .lazy = node->lazy};
    if (node->most == ENDLESS) {
        int32_t begin = add_step(p, split);
        write_node(p, node->left);
        add_step(p, (struct hone_pattern_step){.kind = HONE_PATTERN_JUMP, .piece = -1, .to = begin});
        p->out->steps[begin].to = (int32_t)p->out->steps_n;
        return;
    }
    /* Each further time may be the one not to come; until the end is known, `to` leads to the one before. */
    int32_t last = -1;
    for (int32_t i = node->least; i < node->most && !p->reason; i++) {
        int32_t place = add_step(p, split);
        p->out->steps[place].to = last;
        last = place;
        write_node(p, node->left);
    }
    while (last >= 0 && !p->reason) {
        int32_t previous = p->out->steps[last].to;
        p->out->steps[last].to = (int32_t)p->out->steps_n;
        last = previous;
    }
}

static void write_node(struct parser *p, int32_t which) {
    const struct node *node = &p->nodes[which];
    int32_t split, jump;
    if (p->reason) return;
    switch (node->kind) {
    case EMPTY:
        break;
    case PIECE:
        add_step(p, (struct hone_pattern_step){.kind = node->step, .piece = node->piece});
        break;
    case BOTH:
        write_node(p, node->left);
        write_node(p, node->right);
        break;
    case EITHER:
        split = add_step(p, (struct hone_pattern_step){.kind = HONE_PATTERN_SPLIT, .piece = -1});
        write_node(p, node->left);
        jump = add_step(p, (struct hone_pattern_step){.kind = HONE_PATTERN_JUMP, .piece = -1});
        p->out->steps[split].to = (int32_t)p->out->steps_n;
        write_node(p, node->right);
        p->out->steps[jump].to = (int32_t)p->out->steps_n;
        break;
    case REPEAT:
        write_repeat(p, node);
        break;
    }
}

/* A bit for each step that several ways lead to: between two of those a way can go on in only so many ways. */
static void number_marks(struct parser *p) {
    struct hone_pattern_program *out = p->out;
    int32_t *ways = hone_calloc(out->steps_n + 1, sizeof *ways, "an expression");
    ways[0] = 1; /* from each place where a match may begin */
    for (size_t i = 0; i < out->steps_n; i++) {
        const struct hone_pattern_step *step = &out->steps[i];
        if (step->kind != HONE_PATTERN_JUMP) ways[i + 1]++;
        if (step->kind == HONE_PATTERN_JUMP || step->kind == HONE_PATTERN_SPLIT) ways[step->to]++;
        bool passes = step->kind == HONE_PATTERN_MANY || (step->kind == HONE_PATTERN_ALL && step->most == ENDLESS);
        if (passes) ways[i] += 2;
    }
    for (size_t i = 0; i < out->steps_n; i++)
        if (ways[i] > 1 && out->steps[i].kind != HONE_PATTERN_FOUND) out->steps[i].mark = out->marks++;
    if (out->marks > MOST_MARKS) refuse(p, TOO_LARGE);
    hone_free(ways);
}

const char *hone_pattern_program_read(struct hone_pattern_program *out, const char *expression) {
    const char *refusal = hone_pattern_refusal(expression);
    if (refusal) return refusal;
    struct parser p = {.out = out, .at = expression, .literal = -1};
    int32_t root = parse_either(&p, (struct hone_pattern_options){0});
    if (*p.at) refuse(&p, "a part of it isn't understood");
    write_node(&p, root);
    add_step(&p, (struct hone_pattern_step){.kind = HONE_PATTERN_FOUND, .piece = -1});
    if (!p.reason) number_marks(&p);
    hone_free(p.nodes);
    return p.reason;
}

void hone_pattern_program_free(struct hone_pattern_program *program) {
    for (size_t i = 0; i < program->pieces_n; i++) hone_pattern_piece_free(program->pieces[i]);
    hone_free(program->pieces);
    hone_free(program->steps);
    *program = (struct hone_pattern_program){0};
}
