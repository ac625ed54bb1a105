/* ort_calls.h - the calls of ONNX Runtime's C API that we need, by their position in OrtApi.
 *
 * Positions are those of `struct OrtApi` in onnxruntime_c_api.h, which only ever grows at its end
 * (the header says so: "This struct must only be added to at the end").  The test runtime.header
 * compares them with the official header where there is one. */
#ifndef OXP_VERIFY_ORT_CALLS_H
#define OXP_VERIFY_ORT_CALLS_H

/* X(our name, field of OrtApi, position) */
#define OXP_ORT_CALLS(X)                                                                           \
    X(GET_ERROR_MESSAGE, GetErrorMessage, 2)                                                       \
    X(CREATE_ENV, CreateEnv, 3)                                                                    \
    X(CREATE_SESSION, CreateSession, 7)                                                            \
    X(RUN, Run, 9)                                                                                 \
    X(CREATE_SESSION_OPTIONS, CreateSessionOptions, 10)                                            \
    X(SET_LOG_SEVERITY, SetSessionLogSeverityLevel, 22)                                            \
    X(SET_OPTIMIZATION, SetSessionGraphOptimizationLevel, 23)                                      \
    X(SET_INTRA_THREADS, SetIntraOpNumThreads, 24)                                                 \
    X(INPUT_COUNT, SessionGetInputCount, 30)                                                       \
    X(OUTPUT_COUNT, SessionGetOutputCount, 31)                                                     \
    X(INPUT_TYPE, SessionGetInputTypeInfo, 33)                                                     \
    X(INPUT_NAME, SessionGetInputName, 36)                                                         \
    X(OUTPUT_NAME, SessionGetOutputName, 37)                                                       \
    X(CREATE_TENSOR_WITH_DATA, CreateTensorWithDataAsOrtValue, 49)                                 \
    X(IS_TENSOR, IsTensor, 50)                                                                     \
    X(TENSOR_DATA, GetTensorMutableData, 51)                                                       \
    X(CAST_TO_TENSOR_INFO, CastTypeInfoToTensorInfo, 55)                                           \
    X(ELEMENT_TYPE, GetTensorElementType, 60)                                                      \
    X(DIM_COUNT, GetDimensionsCount, 61)                                                           \
    X(DIMENSIONS, GetDimensions, 62)                                                               \
    X(ELEMENT_COUNT, GetTensorShapeElementCount, 64)                                               \
    X(TENSOR_TYPE_AND_SHAPE, GetTensorTypeAndShape, 65)                                            \
    X(CREATE_CPU_MEMORY_INFO, CreateCpuMemoryInfo, 69)                                             \
    X(DEFAULT_ALLOCATOR, GetAllocatorWithDefaultOptions, 78)                                       \
    X(RELEASE_STATUS, ReleaseStatus, 93)                                                           \
    X(RELEASE_SESSION, ReleaseSession, 95)                                                         \
    X(RELEASE_VALUE, ReleaseValue, 96)                                                             \
    X(RELEASE_TYPE_INFO, ReleaseTypeInfo, 98)                                                      \
    X(RELEASE_TENSOR_INFO, ReleaseTensorTypeAndShapeInfo, 99)                                      \
    X(RELEASE_SESSION_OPTIONS, ReleaseSessionOptions, 100)                                         \
    X(CREATE_ENV_SHARED_THREADS, CreateEnvWithGlobalThreadPools, 119)                              \
    X(USE_SHARED_THREADS, DisablePerSessionThreads, 120)                                           \
    X(CREATE_THREADING, CreateThreadingOptions, 121)                                               \
    X(RELEASE_THREADING, ReleaseThreadingOptions, 122)                                             \
    X(AVAILABLE_PROVIDERS, GetAvailableProviders, 125)                                             \
    X(SET_SHARED_THREADS, SetGlobalIntraOpNumThreads, 147)

/* Versions of the API: all have the calls up to position 101; the list of providers came with 4,
 * what threads shared by all sessions need with 5 (onnxruntime_c_api.cc asserts the last position
 * of each version: 118, 124, 126 and 149 for 2 to 5). */
enum { OXP_ORT_API_OLDEST = 1, OXP_ORT_API_PROVIDERS = 4, OXP_ORT_API_NEWEST = 5 };

/* Constants of the header that we pass. */
enum {
    OXP_ORT_LOG_FATAL = 4,       /* ORT_LOGGING_LEVEL_FATAL */
    OXP_ORT_ARENA_ALLOCATOR = 1, /* OrtArenaAllocator */
    OXP_ORT_DEFAULT_MEMORY = 0   /* OrtMemTypeDefault */
};

#endif
