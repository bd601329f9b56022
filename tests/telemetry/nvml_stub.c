/* A stand-in for libnvidia-ml.so.1, so that the real nvidia-ml-py binding can be tested without a GPU.
 *
 * It plays as many boards as NVML_STUB_BOARDS says (1), each drawing 300 W and 100 W more than the board before, with an
 * energy counter that agrees. NVML_STUB_MIG=1 divides every board into two instances. NVML_STUB_PID names the process that
 * holds 2 GiB on every device. NVML_STUB_NAMES=a,b gives the boards different names. Compiled with OLD_DRIVER it lacks
 * nvmlDeviceGetComputeRunningProcesses_v3, as drivers before 510 do.
 *
 * NVML_STUB is a list of rules, separated by blanks, that change what a function answers:
 *     FUNCTION[#BOARD]=CODE[@N]     return the error CODE
 *     FUNCTION[#BOARD]=hang[@N]     never return
 *     FUNCTION[#BOARD]=slow[@N]     take a quarter of a second
 *     FUNCTION[#BOARD]~VALUE[@N]    give VALUE instead of the usual number, in NVML's unit
 * from the N-th call for that board on (1). For nvmlDeviceGetFieldValues, FUNCTION is `field` and the identifier, as in
 * `field186`, and CODE is that of the single field.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SUCCESS 0
#define ERROR_INVALID_ARGUMENT 2
#define ERROR_NOT_FOUND 6
#define ERROR_INSUFFICIENT_SIZE 7
#define MAX_BOARDS 8
#define INSTANCES 2
#define GIB (1ULL << 30)

typedef struct {
    int board;
    int instance; /* -1 for the whole board */
} device_t;

static device_t boards[MAX_BOARDS];
static device_t instances[MAX_BOARDS][INSTANCES];

static int n_boards(void) {
    const char *text = getenv("NVML_STUB_BOARDS");
    return text ? atoi(text) : 1;
}

static int mig(void) {
    const char *text = getenv("NVML_STUB_MIG");
    return text && text[0] == '1';
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

static double power_mw(int board) { return (300.0 + 100.0 * board) * 1e3; }

#define MAX_COUNTED 256
static struct {
    char function[64];
    int board;
    int calls;
} counted[MAX_COUNTED];

static int count_call(const char *function, int board) {
    for (int i = 0; i < MAX_COUNTED; i++) {
        if (!counted[i].function[0]) {
            strncpy(counted[i].function, function, sizeof counted[i].function - 1);
            counted[i].board = board;
        }
        if (counted[i].board == board && !strcmp(counted[i].function, function)) return ++counted[i].calls;
    }
    abort();
}

/* The code to return; `value`, if given, is replaced where a rule says so. */
static int ruled(const char *function, int board, double *value) {
    int call = count_call(function, board), code = SUCCESS;
    const char *rules = getenv("NVML_STUB");
    char copy[4096], *rest = copy, *rule;
    if (!rules) return SUCCESS;
    strncpy(copy, rules, sizeof copy - 1);
    copy[sizeof copy - 1] = 0;
    while ((rule = strsep(&rest, " "))) {
        int from = 1, on = -1;
        char *at = strchr(rule, '@'), *action = strpbrk(rule, "=~"), *board_mark;
        if (!action) continue;
        if (at) {
            from = atoi(at + 1);
            *at = 0;
        }
        char kind = *action;
        *action++ = 0;
        if ((board_mark = strchr(rule, '#'))) {
            *board_mark = 0;
            on = atoi(board_mark + 1);
        }
        if (strcmp(rule, function) || (on >= 0 && on != board) || call < from) continue;
        if (kind == '~') {
            if (value) *value = atof(action);
        } else if (!strcmp(action, "hang")) {
            for (;;) sleep(1000);
        } else if (!strcmp(action, "slow")) {
            usleep(250000);
        } else {
            code = atoi(action);
        }
    }
    return code;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    for (int board = 0; board < MAX_BOARDS; board++) {
        boards[board] = (device_t){board, -1};
        for (int instance = 0; instance < INSTANCES; instance++) instances[board][instance] = (device_t){board, instance};
    }
    return ruled("nvmlInit", -1, NULL);
}

int nvmlShutdown(void) { return ruled("nvmlShutdown", -1, NULL); }

const char *nvmlErrorString(int code) {
    (void)code;
    return "an error of the stand-in";
}

int nvmlSystemGetDriverVersion(char *text, unsigned length) {
    snprintf(text, length, "575.00");
    return ruled("nvmlSystemGetDriverVersion", -1, NULL);
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    *count = n_boards();
    return ruled("nvmlDeviceGetCount", -1, NULL);
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, device_t **device) {
    if ((int)index >= n_boards()) return ERROR_INVALID_ARGUMENT;
    *device = &boards[index];
    return ruled("nvmlDeviceGetHandleByIndex", index, NULL);
}

int nvmlDeviceGetUUID(device_t *device, char *text, unsigned length) {
    if (device->instance < 0)
        snprintf(text, length, "GPU-%08d-0000-0000-0000-000000000000", device->board);
    else
        snprintf(text, length, "MIG-%08d-0000-0000-0000-00000000000%d", device->board, device->instance);
    return ruled("nvmlDeviceGetUUID", device->board, NULL);
}

int nvmlDeviceGetName(device_t *device, char *text, unsigned length) {
    const char *names = getenv("NVML_STUB_NAMES");
    char copy[256] = "Stub", *rest = copy, *name = copy;
    if (names) {
        strncpy(copy, names, sizeof copy - 1);
        for (int i = 0; i <= device->board && rest; i++) name = strsep(&rest, ",");
    }
    snprintf(text, length, "%s", name);
    return ruled("nvmlDeviceGetName", device->board, NULL);
}

int nvmlDeviceGetMigMode(device_t *device, unsigned *current, unsigned *pending) {
    *current = *pending = mig();
    return ruled("nvmlDeviceGetMigMode", device->board, NULL);
}

int nvmlDeviceGetMaxMigDeviceCount(device_t *device, unsigned *count) {
    (void)device;
    *count = 7;
    return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(device_t *device, unsigned index, device_t **instance) {
    if (index >= INSTANCES) return ERROR_NOT_FOUND;
    *instance = &instances[device->board][index];
    return SUCCESS;
}

int nvmlDeviceGetGpuInstanceId(device_t *device, unsigned *id) {
    *id = 7 + device->instance;
    return SUCCESS;
}

int nvmlDeviceGetComputeInstanceId(device_t *device, unsigned *id) {
    (void)device;
    *id = 0;
    return SUCCESS;
}

int nvmlDeviceGetPowerManagementLimitConstraints(device_t *device, unsigned *lowest, unsigned *highest) {
    double limit = 700e3;
    int code = ruled("nvmlDeviceGetPowerManagementLimitConstraints", device->board, &limit);
    *lowest = 100000;
    *highest = (unsigned)limit;
    return code;
}

typedef struct {
    unsigned field, scope;
    long long timestamp, latency;
    int type, code;
    union {
        unsigned ui;
        unsigned long long ull;
    } value;
} field_t;

int nvmlDeviceGetFieldValues(device_t *device, int count, field_t *fields) {
    int code = ruled("nvmlDeviceGetFieldValues", device->board, NULL);
    for (int i = 0; i < count; i++) {
        char function[32];
        double value = power_mw(device->board);
        snprintf(function, sizeof function, "field%u", fields[i].field);
        fields[i].code = ruled(function, device->board, &value);
        fields[i].type = 1;
        fields[i].value.ui = (unsigned)value;
    }
    return code;
}

int nvmlDeviceGetPowerUsage(device_t *device, unsigned *power) {
    double value = power_mw(device->board);
    int code = ruled("nvmlDeviceGetPowerUsage", device->board, &value);
    *power = (unsigned)value;
    return code;
}

int nvmlDeviceGetTotalEnergyConsumption(device_t *device, unsigned long long *energy) {
    double value = power_mw(device->board) * now_s();
    int code = ruled("nvmlDeviceGetTotalEnergyConsumption", device->board, &value);
    *energy = (unsigned long long)value;
    return code;
}

typedef struct {
    unsigned version;
    unsigned long long total, reserved, free, used;
} memory_t;

int nvmlDeviceGetMemoryInfo_v2(device_t *device, memory_t *memory) {
    double used = (10.0 + device->board) * GIB;
    int code = ruled("nvmlDeviceGetMemoryInfo", device->board, &used);
    memory->total = 80 * GIB;
    memory->reserved = GIB / 2;
    memory->used = (unsigned long long)used;
    memory->free = 60 * GIB;
    return code;
}

int nvmlDeviceGetUtilizationRates(device_t *device, unsigned *rates) {
    double value = 0;
    int code = ruled("nvmlDeviceGetUtilizationRates", device->board, &value);
    rates[0] = (unsigned)value;
    rates[1] = 20;
    return code;
}

int nvmlDeviceGetTemperature(device_t *device, unsigned sensor, unsigned *temperature) {
    double value = 55;
    int code = ruled("nvmlDeviceGetTemperature", device->board, &value);
    (void)sensor;
    *temperature = (unsigned)value;
    return code;
}

int nvmlDeviceGetClockInfo(device_t *device, unsigned kind, unsigned *clock) {
    double value = kind == 1 ? 1500 : 2600;
    int code = ruled("nvmlDeviceGetClockInfo", device->board, &value);
    *clock = (unsigned)value;
    return code;
}

int nvmlDeviceGetCurrentClocksEventReasons(device_t *device, unsigned long long *reasons) {
    double value = 0;
    int code = ruled("nvmlDeviceGetCurrentClocksEventReasons", device->board, &value);
    *reasons = (unsigned long long)value;
    return code;
}

typedef struct {
    unsigned pid;
    unsigned long long used;
    unsigned gpu_instance, compute_instance;
} process_t;

#ifndef OLD_DRIVER
int nvmlDeviceGetComputeRunningProcesses_v3(device_t *device, unsigned *count, process_t *processes) {
    const char *pid = getenv("NVML_STUB_PID");
    double used = 2.0 * GIB;
    int code = ruled("nvmlDeviceGetComputeRunningProcesses", device->board, &used);
    if (code != SUCCESS || !pid) {
        *count = 0;
        return code;
    }
    if (*count < 1) {
        *count = 1;
        return ERROR_INSUFFICIENT_SIZE;
    }
    *count = 1;
    processes[0] = (process_t){(unsigned)atoi(pid), (unsigned long long)used, 0, 0};
    return SUCCESS;
}
#endif
