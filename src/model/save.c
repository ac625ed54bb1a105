/* save.c - oxp_save: what goes where, and in which order the files appear. */
#include <string.h>
#include <sys/stat.h>

#include "base/atomic_file.h"
#include "model/encode.h"
#include "model/writer.h"

#define INLINE_MAX ((uint64_t)INT32_MAX) /* protobuf's ceiling for a message */

typedef struct save {
    oxp_model *m;
    const char *path;
    const oxp_save_opts *opts;
    oxp_saved *saved;
    oxp_arena *arena;
    const char *folder; /* of the target, with the slash behind it; "" is the current one */
    const char *base;
    const char *data_path;
    bool standard_output;
} save;

static _Noreturn void refuse(const save *s, const char *what, const char *why) {
    oxp_raise(s->m->ctx, OXP_E_UNSUPPORTED, "%s: %s", what, why);
}

/* ---- what may be written ---- */
bool oxp_model_is_data_file(const oxp_model *m, const char *path) {
    struct stat st;
    if (stat(path, &st) != 0)
        return false;
    for (size_t i = 0; i < m->n_files; i++)
        if (m->files[i].found && m->files[i].dev == (uint64_t)st.st_dev &&
            m->files[i].ino == (uint64_t)st.st_ino)
            return true;
    return false;
}

static bool exists(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0;
}

static void split_path(save *s) {
    const char *slash = strrchr(s->path, '/');
    s->standard_output = !strcmp(s->path, "-");
    s->base = slash ? slash + 1 : s->path;
    s->folder = oxp_memdup0(s->arena, s->path, (size_t)(s->base - s->path));
    if (!s->standard_output && oxp_model_is_data_file(s->m, s->path))
        refuse(s, s->path, "it is a data file of the model that is saved: choose another name");
}

/* Name of the data file beside the target, and its path. */
static const char *name_data(save *s, const char *wanted) {
    const char *name = wanted;
    if (wanted) {
        if (!*wanted || strchr(wanted, '/') || strchr(wanted, '\\') || !strcmp(wanted, ".") ||
            !strcmp(wanted, "..") || strlen(wanted) > 255)
            refuse(s, wanted, "the external data file must be a plain file name beside the model");
        if (!strcmp(wanted, s->base))
            refuse(s, wanted, "the external data file and the model cannot be one file");
    }
    for (unsigned i = 1; !wanted; i++) {
        name = i == 1 ? oxp_sprintf(s->arena, "%s.data", s->base)
                      : oxp_sprintf(s->arena, "%s.%u.data", s->base, i);
        if (!exists(oxp_sprintf(s->arena, "%s%s", s->folder, name)))
            break;
        if (i == 10000)
            refuse(s, name, "too many data files of that name are there already");
    }
    s->data_path = oxp_sprintf(s->arena, "%s%s", s->folder, name);
    if (wanted && oxp_model_is_data_file(s->m, s->data_path))
        refuse(s, s->data_path,
               "it is a data file of the model that is saved: choose another name");
    if (wanted && exists(s->data_path))
        refuse(s, s->data_path, "the external data file exists already: choose another name");
    return name;
}

/* Are the target and the source's data in the same folder, so that its locations still hold? */
static bool same_folder(const save *s) {
    struct stat a, b;
    const char *slash = strrchr(s->m->path, '/');
    if (!strcmp(s->m->path, "-"))
        return false; /* standard input has no folder */
    const char *from =
        slash ? oxp_memdup0(s->arena, s->m->path, (size_t)(slash + 1 - s->m->path)) : ".";
    return stat(from, &a) == 0 && stat(*s->folder ? s->folder : ".", &b) == 0 &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool has_external(const oxp_model *m) {
    for (size_t i = 0; i < m->n_tensors; i++)
        if (m->tensors[i].storage == OXP_STORE_EXTERNAL)
            return true;
    return false;
}

/* How AUTO places tensors. */
static oxp_placing place_auto(save *s, bool external) {
    if (!external)
        return OXP_PLACE_INLINE;
    if (!oxp_model_has_weights(s->m) || (!s->m->changed && same_folder(s))) {
        if (s->standard_output || !same_folder(s))
            oxp_diagnose(s->m->ctx, OXP_WARNING, "external-data-left", s->path,
                         "its external data files are not copied: put them beside it");
        return OXP_PLACE_KEEP;
    }
    return s->standard_output ? OXP_PLACE_INLINE : OXP_PLACE_AS_IS;
}

static oxp_placing choose(save *s) {
    bool external = has_external(s->m);
    switch (s->opts->external) {
    case OXP_EXTERNAL_INLINE:
        return OXP_PLACE_INLINE;
    case OXP_EXTERNAL_FILE:
        if (s->standard_output)
            refuse(s, "standard output", "a model with an external data file needs a place for it");
        return OXP_PLACE_EXTERNAL;
    case OXP_EXTERNAL_AUTO:
        break;
    }
    return place_auto(s, external);
}

/* ---- encoding ---- */
static oxp_encoder *encode(save *s, oxp_placing placing) {
    oxp_encoder *e = OXP_NEW(s->arena, oxp_encoder);
    e->m = s->m;
    e->arena = e->model.arena = e->data.arena = s->arena;
    e->placing = placing;
    oxp_reader_init(&e->r, s->m->source, s->arena);
    if (placing >= OXP_PLACE_AS_IS)
        e->location =
            name_data(s, s->opts->external == OXP_EXTERNAL_FILE ? s->opts->external_file : NULL);
    oxp_encode_prepare(e);
    oxp_encode_model(e);
    return e;
}

/* Nothing differs from the source: its bytes are the result. */
static bool is_copy(const save *s, oxp_placing placing) {
    bool keeps = placing == OXP_PLACE_KEEP || (placing == OXP_PLACE_INLINE && !has_external(s->m));
    return keeps && !s->m->changed;
}

static oxp_encoder *whole_file(save *s) {
    oxp_encoder *e = OXP_NEW(s->arena, oxp_encoder);
    e->model.arena = s->arena;
    oxp_rope_copy(&e->model, OXP_NONE, 0, s->m->file_bytes);
    return e;
}

static oxp_encoder *plan(save *s) {
    oxp_placing placing = choose(s);
    if (is_copy(s, placing))
        return whole_file(s);
    oxp_encoder *e = encode(s, placing);
    if (e->model.len <= INLINE_MAX)
        return e;
    if (s->opts->external != OXP_EXTERNAL_AUTO || s->standard_output || e->data.len)
        refuse(s, s->path,
               "the model file would exceed 2 GB, which protobuf does not allow: its "
               "weights need an external data file");
    e = encode(s, OXP_PLACE_EXTERNAL);
    if (e->model.len > INLINE_MAX)
        refuse(s, s->path, "the model file would exceed 2 GB even with external data");
    oxp_diagnose(s->m->ctx, OXP_NOTE, "moved-to-external-data", s->path,
                 "the model file would exceed 2 GB: its weights are in %s", e->location);
    return e;
}

/* ---- writing: data first, model last ---- */
static void run(void *arg) {
    save *s = arg;
    oxp_arena *kept = s->m->arena;
    if (s->m->redaction)
        oxp_raise(s->m->ctx, OXP_E_UNSUPPORTED, "%s: a model without its names is not saved",
                  s->path);
    s->arena = oxp_arena_new(s->m->ctx);
    split_path(s);
    oxp_encoder *e = plan(s);
    oxp_atomic *data = NULL, *model;
    if (e->data.len) {
        data = oxp_atomic_open(s->m->ctx, s->arena, s->data_path, true);
        oxp_write_rope(s->m, s->arena, &e->data, data);
        oxp_atomic_sync(data);
    }
    model = oxp_atomic_open(s->m->ctx, s->arena, s->path, false);
    oxp_write_rope(s->m, s->arena, &e->model, model);
    oxp_atomic_sync(model);
    if (data) {
        oxp_atomic_publish(data);
        oxp_atomic_sync_folder(data);
    }
    oxp_atomic_publish(model);
    if (data) /* the model is there and needs it, whatever fails from here on */
        oxp_atomic_done(data);
    oxp_atomic_sync_folder(model);
    oxp_atomic_done(model);
    *s->saved = (oxp_saved){.model_bytes = e->model.len, .data_bytes = e->data.len};
    s->saved->files[s->saved->n_files++] = oxp_strdup(kept, s->path);
    if (data)
        s->saved->files[s->saved->n_files++] = oxp_strdup(kept, s->data_path);
}

oxp_status oxp_save(oxp_model *m, const char *path, const oxp_save_opts *opts, oxp_saved *saved) {
    oxp_save_opts defaults = OXP_SAVE_OPTS_INIT;
    oxp_saved ignored;
    save s = {
        .m = m, .path = path, .opts = opts ? opts : &defaults, .saved = saved ? saved : &ignored};
    oxp_status status = oxp_try(m->ctx, run, &s);
    oxp_arena_free(s.arena);
    return status;
}
