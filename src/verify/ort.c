/* ort.c - the few calls of ONNX Runtime's C API that we need, by their position in OrtApi
 * (ort_calls.h). */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/safe_math.h"
#include "verify/ort.h"
#include "verify/ort_calls.h"

typedef void status;          /* OrtStatus: NULL is success */
typedef void (*any_fn)(void); /* an entry of OrtApi, cast where it is called */

#define POSITION(ours, theirs, at) ours = at,
enum { OXP_ORT_CALLS(POSITION) };
#undef POSITION

typedef struct api_base {
    const any_fn *(*get_api)(uint32_t version);
    const char *(*version)(void);
} api_base;

struct oxp_ort {
    oxp_arena *arena;
    oxp_ctx *ctx;
    const char *path, *version;
    void *library;
    unsigned api_version;
    bool shared_threads; /* all sessions run on the same ones */
    const any_fn *api;   /* function pointers by position */
    void *env, *memory, *allocator;
};

struct oxp_session {
    oxp_ort *ort;
    const char *model;
    void *handle;
    size_t n_in, n_out;
    oxp_array *in;
    const char **in_names, **out_names;
    void **values; /* scratch: inputs, then outputs */
};

#define CALL(ort, position, ...) (((status * (*)(__VA_ARGS__))(ort)->api[position]))

/* ---- loading ---- */

/* The reason of a failed call, as one line in our arena; the status is released. */
static const char *reason(oxp_ort *ort, status *s) {
    const char *(*message)(const status *) =
        (const char *(*)(const status *))ort->api[GET_ERROR_MESSAGE];
    char *text = oxp_strdup(ort->arena, message(s));
    ((void (*)(status *))ort->api[RELEASE_STATUS])(s);
    for (char *p = text; *p; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    return text;
}

static void check(oxp_ort *ort, status *s, oxp_status kind, const char *what) {
    if (s)
        oxp_raise(ort->ctx, kind, "%s: ONNX Runtime: %s", what, reason(ort, s));
}

/* The first of the candidates that loads. */
static void *load_first(oxp_ctx *ctx, const char *const *candidates, const char **path) {
    const char *problem = "";
    for (; *candidates; candidates++) {
        void *library = dlopen(*candidates, RTLD_NOW | RTLD_LOCAL);
        *path = *candidates;
        if (library)
            return library;
        problem = dlerror();
    }
    oxp_raise(ctx, OXP_E_RUNTIME,
              "no ONNX Runtime: %s (install one with `npm install --ignore-scripts "
              "onnxruntime-node` or `pip install onnxruntime`, or name a library with --ort)",
              problem);
}

static const any_fn *oldest_api(oxp_ort *ort, const api_base *base) {
    const any_fn *api = NULL;
    for (ort->api_version = OXP_ORT_API_NEWEST; ort->api_version >= OXP_ORT_API_OLDEST;
         ort->api_version--)
        if ((api = base->get_api(ort->api_version)) != NULL)
            return api;
    oxp_raise(ort->ctx, OXP_E_RUNTIME, "%s: ONNX Runtime %s is too old or too new", ort->path,
              ort->version);
}

/* An environment; with `threads` (0: the runtime's choice) that all of its sessions share. */
static void make_environment(oxp_ort *ort, bool shared, unsigned threads) {
    void *how = NULL;
    ort->shared_threads = shared && ort->api_version >= OXP_ORT_API_NEWEST;
    if (!ort->shared_threads) {
        check(ort,
              CALL(ort, CREATE_ENV, int, const char *, void **)(OXP_ORT_LOG_FATAL, "onnxpert",
                                                                &ort->env),
              OXP_E_RUNTIME, ort->path);
        return;
    }
    check(ort, CALL(ort, CREATE_THREADING, void **)(&how), OXP_E_RUNTIME, ort->path);
    if (threads)
        check(ort, CALL(ort, SET_SHARED_THREADS, void *, int)(how, (int)threads), OXP_E_RUNTIME,
              ort->path);
    check(ort,
          CALL(ort, CREATE_ENV_SHARED_THREADS, int, const char *, const void *,
               void **)(OXP_ORT_LOG_FATAL, "onnxpert", how, &ort->env),
          OXP_E_RUNTIME, ort->path);
    ((void (*)(void *))ort->api[RELEASE_THREADING])(how);
}

static oxp_ort *open_library(oxp_arena *arena, const char *const *candidates) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    oxp_ort *ort = OXP_NEW(arena, oxp_ort);
    ort->library = load_first(ctx, candidates, &ort->path);
    const api_base *(*get_base)(void);
    void *symbol = dlsym(ort->library, "OrtGetApiBase");
    memcpy(&get_base, &symbol, sizeof get_base);
    if (!symbol)
        oxp_raise(ctx, OXP_E_RUNTIME, "%s: is not ONNX Runtime: it has no OrtGetApiBase",
                  ort->path);
    const api_base *base = get_base();
    if (!base || !base->get_api || !base->version)
        oxp_raise(ctx, OXP_E_RUNTIME, "%s: is not ONNX Runtime: its OrtGetApiBase gives nothing",
                  ort->path);
    ort->arena = arena;
    ort->ctx = ctx;
    ort->version = oxp_strdup(arena, base->version());
    ort->api = oldest_api(ort, base);
    return ort;
}

static oxp_ort *open_with(oxp_arena *arena, const char *const *candidates, bool shared,
                          unsigned threads) {
    oxp_ort *ort = open_library(arena, candidates);
    make_environment(ort, shared, threads);
    check(ort,
          CALL(ort, CREATE_CPU_MEMORY_INFO, int, int,
               void **)(OXP_ORT_ARENA_ALLOCATOR, OXP_ORT_DEFAULT_MEMORY, &ort->memory),
          OXP_E_RUNTIME, ort->path);
    check(ort, CALL(ort, DEFAULT_ALLOCATOR, void **)(&ort->allocator), OXP_E_RUNTIME, ort->path);
    return ort;
}

oxp_ort *oxp_ort_open(oxp_arena *arena, const char *const *candidates) {
    return open_with(arena, candidates, false, 0);
}

oxp_ort *oxp_ort_open_shared(oxp_arena *arena, const char *const *candidates, unsigned threads) {
    return open_with(arena, candidates, true, threads);
}

const char *oxp_ort_path(const oxp_ort *ort) {
    return ort->path;
}

const char *oxp_ort_version(const oxp_ort *ort) {
    return ort->version;
}

size_t oxp_ort_providers(oxp_ort *ort, const char *const **names) {
    char **all;
    int n = 0;
    *names = NULL;
    if (ort->api_version < OXP_ORT_API_PROVIDERS)
        return 0;
    check(ort, CALL(ort, AVAILABLE_PROVIDERS, char ***, int *)(&all, &n), OXP_E_RUNTIME, ort->path);
    const char **copy = OXP_NEWS(ort->arena, (size_t)n + 1, const char *);
    for (int i = 0; i < n; i++)
        copy[i] = oxp_strdup(ort->arena, all[i]);
    *names = copy;
    return (size_t)n;
}

/* ---- sessions ---- */

/* ONNXTensorElementDataType has the numbers of TensorProto.DataType. */
static oxp_dtype element_type(int t) {
    return t > 0 && t < OXP_DTYPE_COUNT ? (oxp_dtype)t : OXP_UNDEFINED;
}

/* Type and dims behind an OrtTensorTypeAndShapeInfo. */
static void read_info(oxp_session *s, void *info, oxp_array *a, oxp_arena *arena) {
    oxp_ort *ort = s->ort;
    int type = 0;
    size_t rank = 0;
    check(ort, CALL(ort, ELEMENT_TYPE, const void *, int *)(info, &type), OXP_E_UNSUPPORTED,
          s->model);
    check(ort, CALL(ort, DIM_COUNT, const void *, size_t *)(info, &rank), OXP_E_UNSUPPORTED,
          s->model);
    int64_t *dims = OXP_NEWS(arena, rank + 1, int64_t);
    check(ort, CALL(ort, DIMENSIONS, const void *, int64_t *, size_t)(info, dims, rank),
          OXP_E_UNSUPPORTED, s->model);
    a->dtype = element_type(type);
    a->rank = (int)rank;
    a->dims = dims;
}

static void read_input(oxp_session *s, size_t i) {
    oxp_ort *ort = s->ort;
    void *type = NULL;
    const void *info = NULL;
    char *name;
    check(ort,
          CALL(ort, INPUT_NAME, const void *, size_t, void *, char **)(s->handle, i, ort->allocator,
                                                                       &name),
          OXP_E_UNSUPPORTED, s->model);
    s->in[i].name = s->in_names[i] = oxp_strdup(ort->arena, name);
    check(ort, CALL(ort, INPUT_TYPE, const void *, size_t, void **)(s->handle, i, &type),
          OXP_E_UNSUPPORTED, s->model);
    check(ort, CALL(ort, CAST_TO_TENSOR_INFO, const void *, const void **)(type, &info),
          OXP_E_UNSUPPORTED, s->model);
    if (info) /* borrowed from `type`; NULL: not a tensor */
        read_info(s, (void *)(uintptr_t)info, &s->in[i], ort->arena);
    ((void (*)(void *))ort->api[RELEASE_TYPE_INFO])(type);
}

/* Providers are appended by functions that builds with that provider export, all of them
 * (options, device or flag); the names are those of the providers in upper or mixed case. */
static void append_provider(oxp_ort *ort, void *how, const char *name) {
    static const struct {
        const char *name, *listed, *function;
    } known[] = {{"cuda", "CUDAExecutionProvider", "CUDA"},
                 {"tensorrt", "TensorrtExecutionProvider", "Tensorrt"},
                 {"rocm", "ROCMExecutionProvider", "ROCM"},
                 {"migraphx", "MIGraphXExecutionProvider", "MIGraphX"},
                 {"dnnl", "DnnlExecutionProvider", "Dnnl"}};
    const char *const *have, *list = "";
    size_t n = oxp_ort_providers(ort, &have), k = 0;
    bool offered = false;
    while (k < sizeof known / sizeof *known && strcmp(known[k].name, name) != 0)
        k++;
    for (size_t i = 0; i < n; i++) {
        list = oxp_sprintf(ort->arena, "%s%s%s", list, i ? ", " : "", have[i]);
        offered |= k < sizeof known / sizeof *known && !strcmp(known[k].listed, have[i]);
    }
    if (!offered)
        oxp_raise(ort->ctx, OXP_E_RUNTIME,
                  "--provider: this ONNX Runtime (%s, %s) does not offer '%s'; it has %s",
                  ort->version, ort->path, name, *list ? list : "no list of its providers");
    status *(*append)(void *, int);
    void *symbol =
        dlsym(ort->library, oxp_sprintf(ort->arena, "OrtSessionOptionsAppendExecutionProvider_%s",
                                        known[k].function));
    memcpy(&append, &symbol, sizeof append);
    if (!symbol)
        oxp_raise(ort->ctx, OXP_E_RUNTIME,
                  "--provider: %s lists '%s' but has no function to choose it", ort->path, name);
    check(ort, append(how, 0), OXP_E_RUNTIME, ort->path);
}

static void *session_options(oxp_ort *ort, const oxp_session_opts *opts) {
    void *how = NULL;
    check(ort, CALL(ort, CREATE_SESSION_OPTIONS, void **)(&how), OXP_E_RUNTIME, ort->path);
    check(ort, CALL(ort, SET_LOG_SEVERITY, void *, int)(how, OXP_ORT_LOG_FATAL), OXP_E_RUNTIME,
          ort->path);
    check(ort, CALL(ort, SET_OPTIMIZATION, void *, int)(how, (int)opts->level), OXP_E_RUNTIME,
          ort->path);
    if (ort->shared_threads)
        check(ort, CALL(ort, USE_SHARED_THREADS, void *)(how), OXP_E_RUNTIME, ort->path);
    else if (opts->threads)
        check(ort, CALL(ort, SET_INTRA_THREADS, void *, int)(how, (int)opts->threads),
              OXP_E_RUNTIME, ort->path);
    if (opts->provider && strcmp(opts->provider, "cpu") != 0)
        append_provider(ort, how, opts->provider);
    return how;
}

oxp_session *oxp_ort_session(oxp_ort *ort, const char *model, const oxp_session_opts *opts) {
    oxp_session *s = OXP_NEW(ort->arena, oxp_session);
    s->ort = ort;
    s->model = opts->name ? opts->name : model;
    void *how = session_options(ort, opts);
    status *failed = CALL(ort, CREATE_SESSION, const void *, const char *, const void *,
                          void **)(ort->env, model, how, &s->handle);
    ((void (*)(void *))ort->api[RELEASE_SESSION_OPTIONS])(how);
    check(ort, failed, OXP_E_UNSUPPORTED, s->model);
    check(ort, CALL(ort, INPUT_COUNT, const void *, size_t *)(s->handle, &s->n_in), OXP_E_RUNTIME,
          model);
    check(ort, CALL(ort, OUTPUT_COUNT, const void *, size_t *)(s->handle, &s->n_out), OXP_E_RUNTIME,
          model);
    s->in = OXP_NEWS(ort->arena, s->n_in + 1, oxp_array);
    s->in_names = OXP_NEWS(ort->arena, s->n_in + 1, const char *);
    s->out_names = OXP_NEWS(ort->arena, s->n_out + 1, const char *);
    s->values = OXP_NEWS(ort->arena, s->n_in + s->n_out + 1, void *);
    for (size_t i = 0; i < s->n_in; i++)
        read_input(s, i);
    for (size_t i = 0; i < s->n_out; i++) {
        char *name;
        check(ort,
              CALL(ort, OUTPUT_NAME, const void *, size_t, void *, char **)(s->handle, i,
                                                                            ort->allocator, &name),
              OXP_E_UNSUPPORTED, model);
        s->out_names[i] = oxp_strdup(ort->arena, name);
    }
    return s;
}

void oxp_session_close(oxp_session *s) {
    ((void (*)(void *))s->ort->api[RELEASE_SESSION])(s->handle);
}

size_t oxp_session_inputs(const oxp_session *s) {
    return s->n_in;
}

size_t oxp_session_outputs(const oxp_session *s) {
    return s->n_out;
}

oxp_array oxp_session_input(const oxp_session *s, size_t i) {
    return s->in[i];
}

const char *oxp_session_output_name(const oxp_session *s, size_t i) {
    return s->out_names[i];
}

/* Copies an output out of the runtime's memory. */
static void fetch(oxp_session *s, void *value, oxp_array *a, oxp_arena *arena) {
    oxp_ort *ort = s->ort;
    int is_tensor = 0;
    void *info = NULL, *data = NULL;
    check(ort, CALL(ort, IS_TENSOR, const void *, int *)(value, &is_tensor), OXP_E_UNSUPPORTED,
          s->model);
    if (!is_tensor)
        return;
    check(ort, CALL(ort, TENSOR_TYPE_AND_SHAPE, const void *, void **)(value, &info),
          OXP_E_UNSUPPORTED, s->model);
    read_info(s, info, a, arena);
    size_t count = 0;
    check(ort, CALL(ort, ELEMENT_COUNT, const void *, size_t *)(info, &count), OXP_E_UNSUPPORTED,
          s->model);
    ((void (*)(void *))ort->api[RELEASE_TENSOR_INFO])(info);
    uint64_t bytes = oxp_dtype_bytes(a->dtype, count);
    if (a->dtype == OXP_STRING || bytes > SIZE_MAX / 2) {
        a->dtype = OXP_UNDEFINED;
        return;
    }
    check(ort, CALL(ort, TENSOR_DATA, void *, void **)(value, &data), OXP_E_UNSUPPORTED, s->model);
    a->count = count;
    a->bytes = (size_t)bytes;
    a->data = oxp_alloc(arena, a->bytes + 1, 1);
    if (a->bytes)
        memcpy(a->data, data, a->bytes);
}

static void release_values(void *arg) {
    oxp_session *s = arg;
    for (size_t i = 0; i < s->n_in + s->n_out; i++) {
        if (s->values[i])
            ((void (*)(void *))s->ort->api[RELEASE_VALUE])(s->values[i]);
        s->values[i] = NULL;
    }
}

void oxp_session_run(oxp_session *s, const oxp_array *in, oxp_array *out, oxp_arena *arena) {
    oxp_ort *ort = s->ort;
    size_t token = oxp_defer(ort->ctx, release_values, s);
    for (size_t i = 0; i < s->n_in; i++)
        check(ort,
              CALL(ort, CREATE_TENSOR_WITH_DATA, const void *, void *, size_t, const int64_t *,
                   size_t, int, void **)(ort->memory, in[i].data, in[i].bytes, in[i].dims,
                                         (size_t)in[i].rank, (int)in[i].dtype, &s->values[i]),
              OXP_E_UNSUPPORTED, s->model);
    check(ort,
          CALL(ort, RUN, void *, const void *, const char *const *, const void *const *, size_t,
               const char *const *, size_t,
               void **)(s->handle, NULL, s->in_names, (const void *const *)s->values, s->n_in,
                        s->out_names, s->n_out, s->values + s->n_in),
          OXP_E_UNSUPPORTED, s->model);
    for (size_t i = 0; out && i < s->n_out; i++) {
        memset(&out[i], 0, sizeof out[i]);
        out[i].name = s->out_names[i];
        fetch(s, s->values[s->n_in + i], &out[i], arena);
    }
    oxp_undefer(ort->ctx, token, true);
}
