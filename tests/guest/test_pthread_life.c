// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Threads' lives: attributes, stacks, names, joining, detaching, and what is refused. */

#include <limits.h>

_Static_assert(PTHREAD_KEYS_MAX >= 128 && PTHREAD_DESTRUCTOR_ITERATIONS >= 4 && PTHREAD_STACK_MIN > 0, "<limits.h>");
_Static_assert(SEM_VALUE_MAX >= 32767 && INT_MAX == 0x7fffffff && PATH_MAX > 0, "and what the C library has");

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pthreads.h"

#define STACK_SIZE (64 * 1024)
#define PAGE 4096

static void *give_back(void *arg)
{
	return arg;
}

static void test_attr_values(void)
{
	pthread_attr_t attr;
	void *addr;
	size_t size;
	int state;
	char name[16];

	CHECK(pthread_attr_init(&attr) == 0);
	CHECK(pthread_attr_getdetachstate(&attr, &state) == 0 && state == PTHREAD_CREATE_JOINABLE);
	CHECK(pthread_attr_getguardsize(&attr, &size) == 0 && size == PAGE);
	CHECK(pthread_attr_getstacksize(&attr, &size) == 0 && size >= PTHREAD_STACK_MIN);

	CHECK(pthread_attr_setdetachstate(&attr, 7) == EINVAL);
	CHECK(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN - 1) == EINVAL);
	CHECK(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN) == 0);
	CHECK(pthread_attr_getstacksize(&attr, &size) == 0 && size == PTHREAD_STACK_MIN);
	CHECK(pthread_attr_setguardsize(&attr, 5) == 0);
	CHECK(pthread_attr_getguardsize(&attr, &size) == 0 && size == 5); // as it was set, not as it is rounded
	CHECK(pthread_attr_setstack(&attr, (void *)0x100000, PTHREAD_STACK_MIN - 1) == EINVAL);
	CHECK(pthread_attr_setstack(&attr, (void *)0x100001, PTHREAD_STACK_MIN) == EINVAL);
	CHECK(pthread_attr_setstack(&attr, (void *)0x100000, 2 * PTHREAD_STACK_MIN) == 0);
	CHECK(pthread_attr_getstack(&attr, &addr, &size) == 0);
	CHECK(addr == (void *)0x100000 && size == 2 * PTHREAD_STACK_MIN);
	CHECK(pthread_attr_setname_np(&attr, "sixteen letters!") == ERANGE);
	CHECK(pthread_attr_setname_np(&attr, "worker") == 0);
	CHECK(pthread_attr_getname_np(&attr, name, sizeof(name)) == 0 && strcmp(name, "worker") == 0);
	CHECK(pthread_attr_getname_np(&attr, name, 6) == ERANGE);
	CHECK(pthread_attr_destroy(&attr) == 0);
}

static void *use_most_of_stack(void *arg)
{
	size_t size = (size_t)arg - 4096;
	volatile char *bytes = __builtin_alloca(size);

	for (size_t i = 0; i < size; i += 256)
		bytes[i] = 1;
	return (void *)(uintptr_t)bytes[0];
}

static void test_stack_size(void)
{
	static const size_t sizes[] = {PTHREAD_STACK_MIN, 40000, 1024 * 1024};
	pthread_attr_t attr;

	CHECK(pthread_attr_init(&attr) == 0);
	for (int i = 0; i < 3; i++) {
		CHECK(pthread_attr_setstacksize(&attr, sizes[i]) == 0);
		CHECK(join(start_with(&attr, use_most_of_stack, (void *)sizes[i])) != NULL);
	}
}

static void *own_attributes(void *arg)
{
	pthread_attr_t *attr = arg;

	CHECK(pthread_getattr_np(pthread_self(), attr) == 0);
	return (void *)(uintptr_t)__builtin_frame_address(0);
}

static void test_getattr(void)
{
	pthread_attr_t attr, got;
	size_t size;
	void *addr;
	int state;
	char *frame;

	CHECK(pthread_attr_init(&attr) == 0);
	CHECK(pthread_attr_setguardsize(&attr, 3 * PAGE + 1) == 0);
	CHECK(pthread_attr_setstacksize(&attr, 5 * PAGE) == 0);
	frame = join(start_with(&attr, own_attributes, &got));
	CHECK(pthread_attr_getstack(&got, &addr, &size) == 0 && size == 5 * PAGE);
	CHECK(frame > (char *)addr && frame <= (char *)addr + size);
	CHECK(pthread_attr_getguardsize(&got, &size) == 0 && size == 4 * PAGE);
	CHECK(pthread_attr_getdetachstate(&got, &state) == 0 && state == PTHREAD_CREATE_JOINABLE);
}

/* ---- stacks that the application supplies ---- */

struct supplied {
	char *stack;
	volatile char *file; // pages of a mapped file: reading them faults
	const char *path;    // written and read by calls that run on this stack
	bool on_stack;
};

static void *work_on_stack(void *arg)
{
	struct supplied *s = arg;
	char buffer[512];
	int fd;

	s->on_stack = (char *)&buffer >= s->stack && (char *)&buffer < s->stack + STACK_SIZE;
	for (int i = 0; i < 16; i++)
		CHECK(s->file[i * PAGE] == (char)i);
	memset(buffer, 'x', sizeof(buffer));
	fd = open(s->path, O_CREAT | O_TRUNC | O_RDWR, 0600);
	CHECK(fd >= 0);
	CHECK(write(fd, buffer, sizeof(buffer)) == (ssize_t)sizeof(buffer));
	CHECK(fsync(fd) == 0);
	memset(buffer, 0, sizeof(buffer));
	CHECK(pread(fd, buffer, sizeof(buffer), 0) == (ssize_t)sizeof(buffer));
	CHECK(buffer[0] == 'x' && buffer[511] == 'x');
	CHECK(close(fd) == 0);
	s->file[0] = 1; // dirties the page
	return s;
}

static int make_file(const char *path, size_t size)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);

	CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	return fd;
}

static void run_on(char *stack)
{
	int fd = make_file("/pages", 16 * PAGE);
	struct supplied s = {.stack = stack, .path = "/written"};
	pthread_attr_t attr;
	char byte;

	for (int i = 0; i < 16; i++) {
		byte = (char)i;
		CHECK(pwrite(fd, &byte, 1, (off_t)i * PAGE) == 1);
	}
	s.file = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(s.file != MAP_FAILED);
	CHECK(close(fd) == 0);
	CHECK(pthread_attr_init(&attr) == 0);
	CHECK(pthread_attr_setstack(&attr, stack, STACK_SIZE) == 0);
	CHECK(join(start_with(&attr, work_on_stack, &s)) == &s && s.on_stack);
	CHECK(munmap((void *)s.file, 16 * PAGE) == 0);
	memset(stack, 0xee, STACK_SIZE); // nobody stands on it any more
}

static void test_stack_malloc(void)
{
	char *stack = malloc(STACK_SIZE + 16);

	CHECK(stack != NULL);
	run_on(stack);
	free(stack);
}

static void test_stack_static(void)
{
	static _Alignas(16) char stack[STACK_SIZE];

	run_on(stack);
}

static void run_on_mapping(int prot, int flags, int fd)
{
	char *stack = mmap(NULL, STACK_SIZE, prot, flags, fd, 0);

	CHECK(stack != MAP_FAILED);
	run_on(stack);
	CHECK(munmap(stack, STACK_SIZE) == 0);
}

static void test_stack_mapped(void)
{
	int fd = make_file("/stack", STACK_SIZE);

	run_on_mapping(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	run_on_mapping(PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	CHECK(close(fd) == 0);
}

static void refuse(char *stack)
{
	pthread_attr_t attr;
	pthread_t thread;

	CHECK(stack != MAP_FAILED);
	CHECK(pthread_attr_init(&attr) == 0);
	CHECK(pthread_attr_setstack(&attr, stack, STACK_SIZE) == 0);
	CHECK(pthread_create(&thread, &attr, give_back, NULL) == EINVAL);
}

static void test_stack_refused(void)
{
	int fd = make_file("/stack", STACK_SIZE);
	char *shared = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *private = mmap(NULL, STACK_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	refuse(shared);
	refuse(private);
	CHECK(munmap(private + STACK_SIZE / 2, PAGE) == 0);
	CHECK(mprotect(private, STACK_SIZE / 2, PROT_READ | PROT_WRITE) == 0);
	refuse(private); // a hole
	refuse((char *)0x7fffffff0000);
	CHECK(munmap(shared, STACK_SIZE) == 0 && munmap(private, STACK_SIZE) == 0);
	CHECK(close(fd) == 0);
}

/* ---- errors ---- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *pass_gate(void *arg)
{
	CHECK(pthread_mutex_lock(&gate) == 0);
	CHECK(pthread_mutex_unlock(&gate) == 0);
	return arg;
}

static void *join_it(void *arg)
{
	void *value;
	int err = pthread_join(*(pthread_t *)arg, &value);

	return err ? NULL : value;
}

static pthread_t main_thread;

static void *join_main(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)pthread_join(main_thread, NULL);
}

static void test_join_errors(void)
{
	pthread_t thread, joiner;
	int err;

	CHECK(pthread_join(pthread_self(), NULL) == EDEADLK);
	thread = start(give_back, NULL);
	for (int turn = 0; turn < 1000; turn++) { // it ends meanwhile, and is known until it is joined
		CHECK(pthread_kill(thread, 0) == 0 && pthread_kill(thread, SIGURG) == 0);
		sched_yield();
	}
	join(thread);
	CHECK(pthread_kill(thread, 0) == ESRCH);
	CHECK(pthread_join(thread, NULL) == ESRCH);
	CHECK(pthread_detach(thread) == ESRCH);
	CHECK(pthread_cancel(thread) == ESRCH);
	CHECK(pthread_setname_np(thread, "gone") == ESRCH);

	CHECK(pthread_mutex_lock(&gate) == 0);
	thread = start(pass_gate, &thread);
	joiner = start(join_it, &thread);
	while ((err = pthread_detach(thread)) == 0) { // the joiner was not there yet
		CHECK(pthread_mutex_unlock(&gate) == 0);
		CHECK(join(joiner) == NULL);
		CHECK(pthread_mutex_lock(&gate) == 0);
		thread = start(pass_gate, &thread);
		joiner = start(join_it, &thread);
		for (int i = 0; i < 100; i++)
			sched_yield();
	}
	CHECK(err == EINVAL);
	CHECK(pthread_join(thread, NULL) == EINVAL); // one joins already
	CHECK(pthread_mutex_unlock(&gate) == 0);
	CHECK(join(joiner) == &thread);
}

static atomic_int ended;

static void *detached_in_errors(void *arg)
{
	CHECK(pthread_join(pthread_self(), NULL) == EDEADLK);
	CHECK(pthread_detach(pthread_self()) == EINVAL);
	atomic_fetch_add(&ended, 1);
	return arg;
}

static void test_detached_errors(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	ended = 0;
	CHECK(pthread_attr_init(&attr) == 0);
	CHECK(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) == 0);
	CHECK(pthread_mutex_lock(&gate) == 0);
	thread = start_with(&attr, pass_gate, NULL);
	CHECK(pthread_join(thread, NULL) == EINVAL);
	CHECK(pthread_detach(thread) == EINVAL);
	CHECK(pthread_mutex_unlock(&gate) == 0);
	start_with(&attr, detached_in_errors, NULL);
	wait_for(&ended, 1);
}

/* Each waits for the other: exactly one learns of it. If it is main, the other has to be freed from its wait. */
static void test_join_cycle(void)
{
	pthread_t thread;
	void *value;
	int err;

	main_thread = pthread_self();
	thread = start(join_main, NULL);
	err = pthread_join(thread, &value);
	if (err) {
		CHECK(err == EDEADLK);
		CHECK(pthread_cancel(thread) == 0);
		CHECK(join(thread) == PTHREAD_CANCELED);
	} else {
		CHECK((intptr_t)value == EDEADLK);
	}
}

static void test_names(void)
{
	char name[16];
	pthread_attr_t attr;
	pthread_t thread;

	CHECK(pthread_attr_init(&attr) == 0);
	CHECK(pthread_attr_setname_np(&attr, "by attribute") == 0);
	CHECK(pthread_mutex_lock(&gate) == 0);
	thread = start_with(&attr, pass_gate, NULL);
	CHECK(pthread_getname_np(thread, name, sizeof(name)) == 0 && strcmp(name, "by attribute") == 0);
	CHECK(pthread_setname_np(thread, "fifteen letters") == 0);
	CHECK(pthread_getname_np(thread, name, sizeof(name)) == 0 && strcmp(name, "fifteen letters") == 0);
	CHECK(pthread_getname_np(thread, name, 15) == ERANGE);
	CHECK(pthread_setname_np(thread, "sixteen letters!") == ERANGE);
	CHECK(pthread_mutex_unlock(&gate) == 0);
	join(thread);
}

/* Until it is refused: then everything comes back, and as many can be made again. */
static int create_all(const pthread_attr_t *attr, pthread_t *threads, int max)
{
	int made = 0, err = 0;

	CHECK(pthread_mutex_lock(&gate) == 0);
	while (made < max && !(err = pthread_create(&threads[made], attr, pass_gate, NULL)))
		made++;
	CHECK(err == EAGAIN);
	CHECK(pthread_mutex_unlock(&gate) == 0);
	for (int i = 0; i < made; i++)
		join(threads[i]);
	return made;
}

#define MAX_THREADS 4000

static void test_out_of_memory(void)
{
	static pthread_t threads[MAX_THREADS];
	pthread_attr_t attr;
	int first, again;

	CHECK(pthread_attr_init(&attr) == 0);
	CHECK(pthread_attr_setstacksize(&attr, 4096ul << 30) == 0);
	CHECK(pthread_create(&threads[0], &attr, give_back, NULL) == EAGAIN);
	CHECK(pthread_attr_setstacksize(&attr, SIZE_MAX - 15) == 0);
	CHECK(pthread_create(&threads[0], &attr, give_back, NULL) == EAGAIN);
	CHECK(pthread_attr_setstacksize(&attr, PAGE * 5) == 0);
	CHECK(pthread_attr_setguardsize(&attr, SIZE_MAX) == 0);
	CHECK(pthread_create(&threads[0], &attr, give_back, NULL) == EAGAIN);

	CHECK(pthread_attr_init(&attr) == 0);
	CHECK(pthread_attr_setstacksize(&attr, 2048 * 1024) == 0);
	first = create_all(&attr, threads, MAX_THREADS);
	for (int i = 0; i < 3; i++) {
		again = create_all(&attr, threads, MAX_THREADS);
		CHECK(again == first);
	}
	printf("# %d threads of 2 MiB\n", first);
}

TAP_MAIN({"attributes keep what they are given", test_attr_values}, {"stack sizes are honoured", test_stack_size},
	 {"a thread's attributes as it runs", test_getattr}, {"a stack from malloc", test_stack_malloc},
	 {"a stack in a static array", test_stack_static}, {"a stack from mmap", test_stack_mapped},
	 {"stacks that would fault are refused", test_stack_refused}, {"errors of join", test_join_errors},
	 {"errors of detached threads", test_detached_errors}, {"threads that join each other", test_join_cycle},
	 {"names", test_names}, {"out of memory at create", test_out_of_memory})
