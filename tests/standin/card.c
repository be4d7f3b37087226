// A made-up H100 for TensorFlow: the functions of CUDA that a training run calls.
//
// Memory is the host's, copies are done at once, kernels and products do nothing. What was copied
// to the card can be copied back from there; all else reads as zeros, as if kernels had made them.
// Built as one library that is found under the names of all of CUDA's libraries. The file that
// STANDIN_REPORT names gets a line for each graph that is launched: how many kernels outside of
// graphs, copies to the card and copies from it there were since the one before.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef void *P;   // pointers and handles
typedef size_t Z;  // sizes
#define SHOWN __attribute__((visibility("default")))
#define F(name, ...) SHOWN int name(__VA_ARGS__)
#define NOTHING(name) SHOWN long name(void) { return 0; }
#define MAKES_HANDLE(name) F(name, P *made) { return *made = calloc(1, 4096), 0; }
#define SAYS(name, number) F(name, int *value) { return *value = (number), 0; }
enum { OUT_OF_MEMORY = 2, INVALID = 1, MANY = 1 << 16 };

static const char NAME[] = "NVIDIA H100 80GB HBM3";
static const Z TOTAL = (Z)81559 << 20;
static Z used;
static char context;
static long launches, copies_in, copies_out;

// ---- memory: what was handed out, and what was copied to where
static struct { char *at; Z size; int is_host; } blocks[MANY];
static struct { P at; Z size; } copied[MANY];

static int take(P *out, Z size, int is_host) {
  if (!is_host && used + size > TOTAL) return OUT_OF_MEMORY;
  char *at = mmap(0, size + 1, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return OUT_OF_MEMORY;
  int i = 0;
  while (!__sync_bool_compare_and_swap(&blocks[i].at, NULL, at)) i++;
  blocks[i].size = size, blocks[i].is_host = is_host;
  if (!is_host) used += size;
  return *out = at, 0;
}

static int holder(const void *at) {
  for (int i = 0; i < MANY; i++)
    if (blocks[i].at && (char *)at >= blocks[i].at && (char *)at < blocks[i].at + blocks[i].size)
      return i;
  return -1;
}

static int drop(P at) {
  int i = holder(at);
  if (i < 0) return 0;
  munmap(blocks[i].at, blocks[i].size + 1);
  if (!blocks[i].is_host) used -= blocks[i].size;
  return blocks[i].at = NULL, 0;
}

static unsigned slot(const void *at) { return (uint32_t)((uintptr_t)at >> 8) * 2654435761u >> 16; }

static int is_copy(const void *at, Z size) {
  return copied[slot(at)].at == at && copied[slot(at)].size == size;
}

static int put(P to, const void *from, Z size) {
  copied[slot(to)].at = to, copied[slot(to)].size = size;
  return memmove(to, from, size), 0;
}

static int copy_in(P to, const void *from, Z size) { return copies_in++, put(to, from, size); }

static int copy_out(P to, const void *from, Z size) {
  copies_out++;
  return is_copy(from, size) ? memcpy(to, from, size) : memset(to, 0, size), 0;
}

static int copy_within(P to, const void *from, Z size) {
  return is_copy(from, size) ? put(to, from, size) : 0;
}

F(cuMemAlloc_v2, P *out, Z size) { return take(out, size, 0); }
F(cuMemHostAlloc, P *out, Z size) { return take(out, size, 1); }
F(cuMemFree_v2, P at) { return drop(at); }
F(cuMemFreeHost, P at) { return drop(at); }
F(cuMemGetInfo_v2, Z *free, Z *total) { return *free = TOTAL - used, *total = TOTAL, 0; }
F(cuMemcpyHtoD_v2, P to, const void *from, Z size) { return copy_in(to, from, size); }
F(cuMemcpyHtoDAsync_v2, P to, const void *from, Z size) { return copy_in(to, from, size); }
F(cuMemcpyDtoH_v2, P to, const void *from, Z size) { return copy_out(to, from, size); }
F(cuMemcpyDtoHAsync_v2, P to, const void *from, Z size) { return copy_out(to, from, size); }
F(cuMemcpyDtoD_v2, P to, const void *from, Z size) { return copy_within(to, from, size); }
F(cuMemcpyDtoDAsync_v2, P to, const void *from, Z size) { return copy_within(to, from, size); }
F(cudaMemcpyAsync, P to, const void *from, Z size) { return memmove(to, from, size), 0; }
F(cuPointerGetAttribute, P value, int attribute, P at) {
  int i = holder(at);
  if (i < 0) return INVALID;
  if (attribute == 1) *(P *)value = &context;
  else if (attribute == 2) *(int *)value = blocks[i].is_host ? 1 : 2;
  else if (attribute == 3 || attribute == 4) *(P *)value = at;
  else *(int *)value = 0;
  return 0;
}
NOTHING(cuMemsetD8_v2) NOTHING(cuMemsetD8Async) NOTHING(cuMemsetD32_v2) NOTHING(cuMemsetD32Async)

// ---- the card
F(cuDeviceGetName, char *name, int size) { return snprintf(name, size, NAME), 0; }
F(cuDeviceGetPCIBusId, char *id, int size) { return snprintf(id, size, "0000:01:00.0"), 0; }
F(cuDeviceGet, int *device, int index) { return *device = index, 0; }
F(cuDeviceTotalMem_v2, Z *size) { return *size = TOTAL, 0; }
F(cuDeviceGetAttribute, int *value, int attribute) {  // by the numbers of CUdevice_attribute
  static const int table[][2] = {
      {1, 1024}, {2, 1024}, {3, 1024}, {4, 64},                  // a block: threads, x, y, z
      {5, 2147483647}, {6, 65535}, {7, 65535}, {8, 49152},       // a grid; shared memory
      {10, 32}, {12, 65536}, {13, 1980000}, {16, 132},           // warp, registers, kHz, SMs
      {36, 2619000}, {37, 5120}, {38, 52428800}, {39, 2048},     // memory, L2, threads of an SM
      {41, 1}, {75, 9}, {81, 233472}, {82, 65536}, {97, 232448}, {106, 32}};
  *value = 0;
  for (Z i = 0; i < sizeof table / sizeof *table; i++)
    if (table[i][0] == attribute) *value = table[i][1];
  return 0;
}
F(cudaGetDeviceProperties_v2, char *bytes) {  // offsets in cudaDeviceProp of CUDA 12
  static const int table[][2] = {
      {304, 65536}, {308, 32}, {320, 1024}, {324, 1024}, {328, 1024}, {332, 64},
      {336, 2147483647}, {340, 65535}, {344, 65535}, {348, 1980000}, {360, 9}, {388, 132},
      {616, 52428800}, {624, 2048}, {640, 233472}, {648, 65536}, {696, 232448}};
  memset(bytes, 0, 1032), strcpy(bytes, NAME);
  memcpy(bytes + 288, &TOTAL, sizeof TOTAL), *(Z *)(bytes + 296) = 49152;
  for (Z i = 0; i < sizeof table / sizeof *table; i++)
    *(int *)(bytes + table[i][0]) = table[i][1];
  return 0;
}
F(cuDevicePrimaryCtxGetState, int device, unsigned *flags, int *active) {
  return *flags = 0, *active = 1, 0;
}
F(cuDevicePrimaryCtxRetain, P *made) { return *made = &context, 0; }
F(cuCtxGetCurrent, P *made) { return *made = &context, 0; }
F(cuCtxGetStreamPriorityRange, int *least, int *most) { return *least = *most = 0; }
F(cudaDeviceGetStreamPriorityRange, int *least, int *most) { return *least = *most = 0; }
SAYS(cuDriverGetVersion, 13000) SAYS(cudaDriverGetVersion, 13000)
SAYS(cudaRuntimeGetVersion, 12050) SAYS(cuDeviceGetCount, 1) SAYS(cudaGetDeviceCount, 1)
SAYS(cuCtxGetDevice, 0) SAYS(cudaGetDevice, 0)
NOTHING(cuInit) NOTHING(cuCtxSetCurrent) NOTHING(cuCtxSynchronize) NOTHING(cudaSetDevice)
NOTHING(cudaPeekAtLastError) NOTHING(cudaGetLastError)

// ---- streams and events: all is done when it is asked for
MAKES_HANDLE(cuStreamCreate) MAKES_HANDLE(cuStreamCreateWithPriority) MAKES_HANDLE(cuEventCreate)
F(cuLaunchHostFunc, P stream, void (*function)(P), P data) { return function(data), 0; }
F(cuStreamIsCapturing, P stream, int *is_capturing) { return *is_capturing = 0; }
F(cuEventElapsedTime, float *milliseconds) { return *milliseconds = 0.01f, 0; }
NOTHING(cuStreamDestroy_v2) NOTHING(cuStreamQuery) NOTHING(cuStreamSynchronize)
NOTHING(cuStreamWaitEvent) NOTHING(cuEventDestroy_v2) NOTHING(cuEventQuery)
NOTHING(cuEventRecord) NOTHING(cuEventSynchronize) NOTHING(cudaStreamSynchronize)

// ---- kernels and graphs
static char kernel;
MAKES_HANDLE(cuModuleLoadData) MAKES_HANDLE(cuModuleLoadFatBinary)
F(cuModuleGetFunction, P *made) { return *made = &kernel, 0; }
F(cuModuleGetGlobal_v2, P *at, Z *size) {
  static P constants;
  if (!constants) take(&constants, 1 << 24, 0);
  if (at) *at = constants;
  if (size) *size = 1 << 24;
  return 0;
}
F(cuFuncGetAttribute, int *value, int attribute) { return *value = attribute ? 0 : 1024, 0; }
F(cudaGetFuncBySymbol, P *made) { return *made = &kernel, 0; }
F(cuOccupancyMaxActiveBlocksPerMultiprocessor, int *blocks) { return *blocks = 2, 0; }
F(cudaOccupancyMaxActiveBlocksPerMultiprocessor, int *blocks) { return *blocks = 2, 0; }
F(cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, int *blocks) { return *blocks = 2, 0; }
F(cuLaunchKernel, P function) { return launches++, 0; }
F(cudaLaunchKernel, P function) { return launches++, 0; }
F(__cudaPopCallConfiguration, int *grid, int *block, Z *shared, P *stream) {
  for (int i = 0; i < 3; i++) grid[i] = block[i] = 1;
  return *shared = 0, *stream = NULL, 0;
}
SHOWN P *__cudaRegisterFatBinary(P image) { static P handle; return &handle; }
NOTHING(__cudaRegisterFatBinaryEnd) NOTHING(__cudaRegisterFunction) NOTHING(__cudaRegisterVar)
NOTHING(__cudaUnregisterFatBinary) NOTHING(__cudaPushCallConfiguration)
MAKES_HANDLE(cuGraphCreate) MAKES_HANDLE(cuGraphInstantiateWithFlags)
MAKES_HANDLE(cuGraphAddKernelNode_v2) MAKES_HANDLE(cuGraphAddMemcpyNode)
MAKES_HANDLE(cuGraphAddMemsetNode) MAKES_HANDLE(cuGraphAddChildGraphNode)
MAKES_HANDLE(cuGraphAddEmptyNode)
F(cuStreamEndCapture, P stream, P *graph) { return *graph = &kernel, 0; }
F(cuGraphGetNodes, P graph, P *nodes, Z *count) { return *count = 1, 0; }
F(cuGraphGetRootNodes, P graph, P *nodes, Z *count) { return *count = 1, 0; }
F(cuGraphLaunch, P graph) {
  static FILE *report;
  const char *path = getenv("STANDIN_REPORT");
  if (path && !report) report = fopen(path, "w");
  if (report) fprintf(report, "%ld %ld %ld\n", launches, copies_in, copies_out), fflush(report);
  return launches = copies_in = copies_out = 0;
}
NOTHING(cuFuncSetAttribute) NOTHING(cuFuncSetCacheConfig) NOTHING(cuModuleUnload)
NOTHING(cuStreamBeginCaptureToGraph) NOTHING(cuGraphDestroy) NOTHING(cuGraphExecDestroy)
NOTHING(cuGraphExecKernelNodeSetParams_v2) NOTHING(cuGraphExecChildGraphNodeSetParams)
NOTHING(cuGraphExecMemcpyNodeSetParams) NOTHING(cuGraphExecMemsetNodeSetParams)

// ---- cuBLAS and cuDNN
MAKES_HANDLE(cublasCreate_v2) MAKES_HANDLE(cublasLtCreate) MAKES_HANDLE(cudnnCreate)
F(cublasGetPointerMode_v2, P handle, int *mode) { return *mode = 0; }
F(cudnnGetProperty, int which, int *value) { return *value = which == 0 ? 9 : 3, 0; }
SHOWN Z cudnnGetVersion(void) { return 90300; }
NOTHING(cublasSetStream_v2) NOTHING(cublasSetWorkspace_v2) NOTHING(cublasSetPointerMode_v2)
NOTHING(cublasSetMathMode) NOTHING(cublasGemmEx) NOTHING(cublasSgemm_v2) NOTHING(cublasSgemmEx)
NOTHING(cublasGemmStridedBatchedEx) NOTHING(cublasGemmBatchedEx)
NOTHING(cublasSgemmStridedBatched)
