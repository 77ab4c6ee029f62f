/* hrmc: Hybrid Reverse Monte Carlo, which fits an atomic structure to a measured pair distribution g(r).
 *
 *     hrmc OUTPUT        reads HRMC.inp, input_gr.dat and, for istart 1, input_initial.xyz where it stands
 *
 * Atoms in a periodic cubic box are moved one at a time. A move is accepted with the probability min(1, exp(-D)),
 *
 *     D = change of chi^2 / 2 + change of E / kT,        chi^2 = sum over rows of (g_computed - g_measured)^2 / sigma^2.
 *
 * The first term alone is Reverse Monte Carlo: R. L. McGreevy and L. Pusztai, Molecular Simulation 1, 359 (1988). The second
 * makes it hybrid, so that a structure that fits is a likely one too: G. Opletal et al., Molecular Simulation 28, 927 (2002).
 * E is the energy of a Lennard-Jones potential. With a sigma so large that the data have no weight it is Metropolis Monte Carlo.
 *
 * The same input gives the same numbers on every machine with IEEE 754 doubles: random numbers and the exponential are made
 * here from operations that the standard rounds exactly, and it must be compiled with -ffp-contract=off, never -ffast-math.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846
#define CUTOFF 2.5     /* of the potential, in diameters */
#define CORE 0.5       /* diameters; closer than this the energy no more than doubles, so that it is finite for any random start */
#define TRACE_ROWS 100 /* of trace.csv, about */

/* A place in the box, as fractions of its edge in units of 2^-32. Arithmetic wraps round as the periodic box does, and a
 * difference that is read as a signed number is the one to the nearest image. */
typedef struct {
    uint32_t x, y, z;
} Place;

/* What HRMC.inp must tell, each once. */
enum { ISTART, ISEED, STREAM, NATOMS, BOX, IRUN, STEP, SIGMA, TEMP, POTTYPE, EPSILON, DIAMETER, PARAMETERS };

static struct {
    const char *name;
    double lowest, highest;
    int whole, given;
    double value;
} parameter[PARAMETERS] = {
    [ISTART] = {"istart", 1, 2, 1},       /* 1: from input_initial.xyz; 2: at random */
    [ISEED] = {"iseed", 0, 1e15, 1},      /* the seed */
    [STREAM] = {"stream", 0, 1e15, 1},    /* runs with one seed and different streams have different random numbers */
    [NATOMS] = {"natoms", 2, 1e6, 1},     /* atoms in the box */
    [BOX] = {"box", 1e-3, 1e6, 0},        /* its edge, angstrom */
    [IRUN] = {"irun", 0, 1e12, 1},        /* moves that are tried */
    [STEP] = {"step", 0, 1e6, 0},         /* the furthest move along each axis, angstrom */
    [SIGMA] = {"sigma", 1e-9, 1e300, 0},  /* the error of the measured g(r) */
    [TEMP] = {"temp", 1e-9, 1e9, 0},      /* kelvin */
    [POTTYPE] = {"pottype", 0, 1, 1},     /* 0: no potential, pure Reverse Monte Carlo; 1: Lennard-Jones */
    [EPSILON] = {"epsilon", 0, 1e9, 0},   /* its depth, kelvin */
    [DIAMETER] = {"diameter", 0, 1e6, 0}, /* its sigma, angstrom */
};

static int atoms;
static Place *place;
static char (*element)[4];

static int rows; /* of the measured g(r) */
static double *distance, *measured, *ideal; /* ideal: the pairs that an ideal gas has in each row */
static double spacing, nearest;             /* of the rows, and where the first one begins; angstrom */

static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("hrmc: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    if (!memory) fail("there is not enough memory");
    return memory;
}

static FILE *open_file(const char *folder, const char *name, const char *mode)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) fail("the path of %s is too long", name);
    FILE *file = fopen(path, mode);
    if (!file) fail("%s: %s", path, strerror(errno));
    return file;
}

static void close_file(FILE *file)
{
    int failed = ferror(file);
    if (fclose(file) != 0 || failed) fail("the results could not be written: %s", strerror(errno));
}

/* SplitMix64: G. L. Steele, D. Lea and C. H. Flood, Fast splittable pseudorandom number generators, OOPSLA (2014). */
static uint64_t random_state;

static uint64_t random_bits(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* From [0, 1). */
static double uniform(void)
{
    return (double)(random_bits() >> 11) / 9007199254740992.0;
}

static void start_random(uint64_t seed, uint64_t stream)
{
    random_state = seed;
    random_state = random_bits() + stream;
    random_state = random_bits();
}

/* exp(-x) for x >= 0, as exp(-x/1024)^1024 from its series. That of the mathematics library differs in its last bit from one
 * machine to the next. */
static double exp_minus(double x)
{
    if (x > 50) return 0; /* less than any random number but 0 */
    double y = -x / 1024;
    double power = 1 + y * (1 + y / 2 * (1 + y / 3 * (1 + y / 4 * (1 + y / 5 * (1 + y / 6)))));
    for (int i = 0; i < 10; i++) power *= power;
    return power;
}

static void read_parameters(void)
{
    FILE *file = open_file(".", "HRMC.inp", "r");
    char line[1024], name[64], text[64], more[2], *end;
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        line[strcspn(line, "#\n")] = 0;
        int words = sscanf(line, "%63s %63s %1s", name, text, more);
        if (words <= 0) continue;
        if (words != 2) fail("HRMC.inp, line %d: a name and one value are expected", number);
        int which = 0;
        while (which < PARAMETERS && strcmp(name, parameter[which].name) != 0) which++;
        if (which == PARAMETERS) fail("HRMC.inp, line %d: there is no parameter %s", number, name);
        double value = strtod(text, &end);
        if (*end || !(value >= parameter[which].lowest && value <= parameter[which].highest) ||
            (parameter[which].whole && value != floor(value)))
            fail("HRMC.inp, line %d: %s must be a %snumber from %g to %g, not %s", number, name,
                 parameter[which].whole ? "whole " : "", parameter[which].lowest, parameter[which].highest, text);
        parameter[which].value = value;
        parameter[which].given = 1;
    }
    fclose(file);
    for (int which = 0; which < PARAMETERS; which++)
        if (!parameter[which].given) fail("HRMC.inp does not tell %s", parameter[which].name);
    if (parameter[STEP].value > parameter[BOX].value / 2) fail("step must not be more than half of box");
    atoms = (int)parameter[NATOMS].value;
}

/* The rows "r g" of input_gr.dat: r is the middle of a shell, in equal steps. */
static void read_measured(void)
{
    FILE *file = open_file(".", "input_gr.dat", "r");
    char line[1024];
    int number = 0, room = 0;
    while (fgets(line, sizeof line, file)) {
        number++;
        line[strcspn(line, "#\n")] = 0;
        if (line[strspn(line, " \t\r")] == 0) continue;
        if (rows == room) {
            room = 2 * room + 64;
            distance = realloc(distance, (size_t)room * sizeof *distance);
            measured = realloc(measured, (size_t)room * sizeof *measured);
            if (!distance || !measured) fail("there is not enough memory");
        }
        if (sscanf(line, "%lf %lf", &distance[rows], &measured[rows]) != 2 || !isfinite(measured[rows]))
            fail("input_gr.dat, line %d: two numbers are expected, r in angstrom and g", number);
        double first = rows > 1 ? distance[1] - distance[0] : 0;
        if (rows > 1 && fabs(distance[rows] - distance[rows - 1] - first) > 1e-3 * first)
            fail("input_gr.dat, line %d: r does not go up in equal steps", number);
        rows++;
    }
    fclose(file);
    if (rows < 2) fail("input_gr.dat has fewer than two rows");
    spacing = (distance[rows - 1] - distance[0]) / (rows - 1);
    nearest = distance[0] - spacing / 2;
    double box = parameter[BOX].value;
    if (!(spacing > 0) || nearest < -1e-3 * spacing) fail("input_gr.dat: r must go up, from half a step at the least");
    if (distance[rows - 1] + spacing / 2 > box / 2 * (1 + 1e-9))
        fail("input_gr.dat goes to r = %g, which is more than half of a box of %g; give fewer rows or more atoms",
             distance[rows - 1] + spacing / 2, box);
    if (nearest < 0) nearest = 0;

    ideal = allocate((size_t)rows, sizeof *ideal);
    for (int row = 0; row < rows; row++) {
        double inner = nearest + row * spacing, outer = nearest + (row + 1) * spacing;
        double shell = 4 * PI / 3 * (outer * outer * outer - inner * inner * inner);
        ideal[row] = atoms / 2.0 * (atoms / (box * box * box)) * shell;
    }
}

/* A coordinate in angstrom as a fraction of the box; any image of an atom will do. */
static uint32_t fraction(double coordinate)
{
    double part = coordinate / parameter[BOX].value;
    return (uint32_t)(int64_t)((part - floor(part)) * 4294967296.0 + 0.5);
}

static void read_structure(void)
{
    FILE *file = open_file(".", "input_initial.xyz", "r");
    char line[1024];
    int number;
    if (!fgets(line, sizeof line, file) || sscanf(line, "%d", &number) != 1 || number != atoms)
        fail("input_initial.xyz must begin with the number of atoms, %d", atoms);
    if (!fgets(line, sizeof line, file)) fail("input_initial.xyz ends after its first line");
    for (int atom = 0; atom < atoms; atom++) {
        double x, y, z;
        if (!fgets(line, sizeof line, file) || sscanf(line, "%3s %lf %lf %lf", element[atom], &x, &y, &z) != 4 ||
            !isfinite(x) || !isfinite(y) || !isfinite(z))
            fail("input_initial.xyz, line %d: an element and three coordinates are expected", atom + 3);
        place[atom] = (Place){fraction(x), fraction(y), fraction(z)};
    }
    fclose(file);
}

static void random_structure(void)
{
    for (int atom = 0; atom < atoms; atom++) {
        strcpy(element[atom], "Ar");
        place[atom].x = (uint32_t)(random_bits() >> 32);
        place[atom].y = (uint32_t)(random_bits() >> 32);
        place[atom].z = (uint32_t)(random_bits() >> 32);
    }
}

/* 4 epsilon ((d/r)^12 - (d/r)^6), kelvin; inside the core (2 - r^2/core^2) times what it is at its surface. */
static double lennard_jones(double r_squared)
{
    double diameter = parameter[DIAMETER].value, core = CORE * diameter, core_squared = core * core;
    int inside = r_squared < core_squared;
    double s = diameter * diameter / (inside ? core_squared : r_squared);
    double s6 = s * s * s, energy = 4 * parameter[EPSILON].value * (s6 * s6 - s6);
    return inside ? energy * (2 - r_squared / core_squared) : energy;
}

/* Count the pairs that an atom makes at a place: add sign for each of them to the histogram, and give their energy. */
static double pairs(int atom, Place at, int first, int sign, int *histogram)
{
    double unit = parameter[BOX].value / 4294967296.0, cutoff = CUTOFF * parameter[DIAMETER].value, energy = 0;
    double cutoff_squared = parameter[POTTYPE].value == 1 ? cutoff * cutoff : 0;
    double furthest = fmax(nearest + rows * spacing, cutoff), furthest_squared = furthest * furthest;
    for (int other = first; other < atoms; other++) {
        if (other == atom) continue;
        double x = unit * (int32_t)(at.x - place[other].x);
        double y = unit * (int32_t)(at.y - place[other].y);
        double z = unit * (int32_t)(at.z - place[other].z);
        double r_squared = x * x + y * y + z * z;
        if (r_squared >= furthest_squared) continue;
        int row = (int)((sqrt(r_squared) - nearest) / spacing + 1) - 1; /* rounded down, below 0 too */
        if (row >= 0 && row < rows) histogram[row] += sign;
        if (r_squared < cutoff_squared) energy += lennard_jones(r_squared);
    }
    return energy;
}

/* The sum of the squared differences between computed and measured g(r). */
static double criterion(const int *histogram)
{
    double sum = 0;
    for (int row = 0; row < rows; row++) {
        double difference = histogram[row] / ideal[row] - measured[row];
        sum += difference * difference;
    }
    return sum;
}

static uint32_t displaced(uint32_t coordinate)
{
    double furthest = parameter[STEP].value / parameter[BOX].value * 4294967296.0;
    return coordinate + (uint32_t)(int64_t)((2 * uniform() - 1) * furthest);
}

static void write_structure(const char *output)
{
    double box = parameter[BOX].value, unit = box / 4294967296.0;
    FILE *file = open_file(output, "xyz_final.xyz", "w");
    fprintf(file, "%d\nLattice=\"%.10g 0 0 0 %.10g 0 0 0 %.10g\" Properties=species:S:1:pos:R:3\n", atoms, box, box, box);
    for (int atom = 0; atom < atoms; atom++)
        fprintf(file, "%s %.10f %.10f %.10f\n", element[atom], place[atom].x * unit, place[atom].y * unit, place[atom].z * unit);
    close_file(file);
}

static void write_distribution(const char *output, const int *histogram)
{
    FILE *file = open_file(output, "gr.csv", "w");
    fputs("r_angstrom,g_computed,g_measured\n", file);
    for (int row = 0; row < rows; row++)
        fprintf(file, "%.6g,%.9g,%.9g\n", distance[row], histogram[row] / ideal[row], measured[row]);
    close_file(file);
}

int main(int count, char **arguments)
{
    if (count != 2) fail("usage: hrmc OUTPUT");
    const char *output = arguments[1];
    read_parameters();
    read_measured();
    place = allocate((size_t)atoms, sizeof *place);
    element = allocate((size_t)atoms, sizeof *element);
    start_random((uint64_t)parameter[ISEED].value, (uint64_t)parameter[STREAM].value);
    if (parameter[ISTART].value == 1)
        read_structure();
    else
        random_structure();

    int *histogram = allocate((size_t)rows, sizeof *histogram), *trial = allocate((size_t)rows, sizeof *trial);
    double energy = 0, sigma = parameter[SIGMA].value, error;
    for (int atom = 0; atom < atoms; atom++) energy += pairs(atom, place[atom], atom + 1, 1, histogram);
    error = criterion(histogram);

    FILE *trace = open_file(output, "trace.csv", "w");
    fputs("moves,accepted,criterion,energy_per_atom_kelvin\n", trace);
    int64_t moves = (int64_t)parameter[IRUN].value, accepted = 0, every = moves / TRACE_ROWS + 1;
    for (int64_t move = 0; move < moves; move++) {
        if (move % every == 0)
            fprintf(trace, "%lld,%lld,%.9g,%.9g\n", (long long)move, (long long)accepted, error, energy / atoms);
        int atom = (int)(uniform() * atoms);
        Place old = place[atom], new = old;
        new.x = displaced(old.x);
        new.y = displaced(old.y);
        new.z = displaced(old.z);
        memcpy(trial, histogram, (size_t)rows * sizeof *trial);
        double lost = pairs(atom, old, 0, -1, trial), won = pairs(atom, new, 0, 1, trial);
        double trial_error = criterion(trial);
        double change = (trial_error - error) / (2 * sigma * sigma) + (won - lost) / parameter[TEMP].value;
        if (change > 0 && uniform() >= exp_minus(change)) continue;
        place[atom] = new;
        memcpy(histogram, trial, (size_t)rows * sizeof *trial);
        error = trial_error;
        energy += won - lost;
        accepted++;
    }
    fprintf(trace, "%lld,%lld,%.9g,%.9g\n", (long long)moves, (long long)accepted, error, energy / atoms);
    close_file(trace);

    write_structure(output);
    write_distribution(output, histogram);
    FILE *result = open_file(output, "result.json", "w");
    fprintf(result, "{\n \"criterion\": %.12g,\n \"energy_per_atom_kelvin\": %.9g,\n \"accepted_share\": %.6g\n}\n", error,
            energy / atoms, moves ? (double)accepted / (double)moves : 0.0);
    close_file(result);
    return 0;
}
