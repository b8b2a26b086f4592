// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/simslot.h"

#include <errno.h>

#include "arch/clock.h"
#include "arch/page.h"
#include "kernel/time.h"
#include "tests/host/harness.h"

#define COMMAND_TIME 5000 // ns
#define BLOCK_TIME 2000

static void pass(struct simslot *slot, nsec_t time)
{
	sd_host_sleep(&slot->host, clock_now() + time);
}

static int move_data(struct simslot *slot, const struct sd_data *data)
{
	uint32_t segment = 0, offset = 0;
	int error = 0;

	assert_true(data->segment_count > 0 && data->segment_count <= slot->host.max_segments);
	for (uint32_t i = 0; i < data->blocks && !error; i++) {
		char *at;

		if (offset == data->segments[segment].len) {
			segment++;
			offset = 0;
		}
		assert_true(segment < data->segment_count);
		assert_true(offset + data->block_size <= data->segments[segment].len);
		at = (char *)pa_to_va(data->segments[segment].pa) + offset;
		error = data->write ? simcard_write_block(slot->card, at, data->block_size)
				    : simcard_read_block(slot->card, at, data->block_size);
		offset += data->block_size;
		if (i % 16 == 0)
			pass(slot, 16 * BLOCK_TIME);
	}
	return error;
}

static int wait_busy(struct simslot *slot, nsec_t deadline)
{
	while (simcard_busy(slot->card)) {
		if (clock_now() >= deadline)
			return -ETIMEDOUT;
		sd_host_sleep(&slot->host, min_of(deadline, simcard_busy_until(slot->card)));
	}
	return 0;
}

static int carry_out(struct simslot *slot, struct sd_command *cmd)
{
	const nsec_t deadline = clock_now() + cmd->limit;
	int error;

	pass(slot, COMMAND_TIME);
	error = simcard_command(slot->card, cmd->index, cmd->arg, cmd->response);
	if (error)
		return cmd->answer == SD_NONE ? 0 : error;
	if (cmd->data) {
		/* Both ends must agree on the bus. */
		if (slot->card->width != slot->ios.width)
			return -EILSEQ;
		error = move_data(slot, cmd->data);
		if (!error && cmd->data->stop) {
			uint32_t response[4];

			error = simcard_command(slot->card, 12, 0, response);
			cmd->stop_response = response[0];
		}
	}
	if (!error && (cmd->answer == SD_R1B || cmd->data))
		error = wait_busy(slot, deadline);
	return error;
}

static int slot_execute(struct sd_host *host, struct sd_command *cmd)
{
	struct simslot *slot = host->driver;
	int error;

	assert_false(slot->failed);
	assert_true(slot->ios.power && slot->ios.clock && cmd->limit);
	if (slot->knows && !slot->card->present)
		return -ENODEV;
	error = carry_out(slot, cmd);
	slot->failed = error;
	/* A command without data that got no answer leaves nothing behind. */
	if (error && !cmd->data && error == -ETIMEDOUT)
		slot->failed = false;
	if (error == -EILSEQ && !cmd->data)
		slot->failed = false;
	return error;
}

static int slot_configure(struct sd_host *host, const struct sd_ios *ios)
{
	struct simslot *slot = host->driver;

	assert_true(ios->width & host->widths);
	assert_true(ios->clock <= (ios->timing == SD_IDENTIFY	  ? 400000u
				   : ios->timing == SD_HIGH_SPEED ? 52000000u
								  : 26000000u));
	slot->ios = *ios;
	return 0;
}

static int slot_reset(struct sd_host *host)
{
	struct simslot *slot = host->driver;

	slot->failed = false;
	return 0;
}

static unsigned slot_state(struct sd_host *host)
{
	const struct simslot *slot = host->driver;

	return (slot->knows ? SD_STATE_KNOWN : 0) | (slot->card->present ? SD_STATE_PRESENT : 0);
}

static void slot_poll(struct sd_host *host)
{
	(void)host;
}

static const struct sd_host_ops slot_ops = {
    .execute = slot_execute, .configure = slot_configure, .reset = slot_reset, .state = slot_state, .poll = slot_poll};

static void slot_changed(void *host)
{
	struct simslot *slot = host;

	if (slot->host.tells)
		sd_host_card_changed(&slot->host);
}

void simslot_init(struct simslot *slot, struct simcard *card)
{
	*slot = (struct simslot){
	    .card = card,
	    .host = {.name = "simslot",
		     .ops = &slot_ops,
		     .driver = slot,
		     .removable = card->kind != SIMCARD_EMMC,
		     .widths = 1 | 4 | (card->kind == SIMCARD_EMMC ? 8 : 0),
		     .high_speed = true,
		     .clock_max = 52000000,
		     .max_blocks = 1024,
		     .max_segments = 64,
		     .transfer = SD_DMA},
	};
	card->slot_changed = slot_changed;
	card->host = slot;
	sd_host_init(&slot->host);
}
